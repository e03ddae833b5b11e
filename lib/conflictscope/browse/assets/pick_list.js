// A page of rows to pick from: mouse, arrow keys, Home and End; PageUp and PageDown turn the page; the space bar reads on in
// the pane beside it.
function render({ model, el }) {
  el.classList.add("cs-pick");
  const heading = document.createElement("div");
  heading.className = "cs-pick-heading";
  const count = document.createElement("span");
  const earlier = button("‹", "earlier page", -1);
  const later = button("›", "later page", 1);
  heading.append(count, earlier, later);
  const list = document.createElement("div");
  list.className = "cs-pick-list";
  list.tabIndex = 0;
  list.setAttribute("role", "listbox");
  // in command mode JupyterLab has its own meaning for arrow keys
  list.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(heading, list);

  function button(text, label, step) {
    const made = document.createElement("button");
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", () => turn(step));
    return made;
  }
  function turn(step) {
    const page = Math.min(Math.max(model.get("page") + step, 0), model.get("pages") - 1);
    if (page !== model.get("page")) { model.set("page", page); model.save_changes(); }
  }
  let onward = null; // the row to pick once the next page is there
  function pick(place) {
    const rows = model.get("rows");
    if (place < 0 || place >= rows.length) {
      const step = place < 0 ? -1 : 1, page = model.get("page") + step;
      if (rows.length && page >= 0 && page < model.get("pages")) { onward = step; turn(step); }
      return;
    }
    model.set("chosen", rows[place].id);
    model.save_changes();
    mark();
  }
  function mark() {
    const chosen = model.get("chosen");
    for (const row of list.children) {
      const here = row.dataset.id === chosen;
      row.setAttribute("aria-selected", here);
      if (here) {
        list.setAttribute("aria-activedescendant", row.id);
        // not scrollIntoView: it would move the notebook too
        const top = row.offsetTop - list.offsetTop;
        if (top < list.scrollTop) list.scrollTop = top;
        else if (top + row.offsetHeight > list.scrollTop + list.clientHeight)
          list.scrollTop = top + row.offsetHeight - list.clientHeight;
      }
    }
  }
  function draw() {
    list.replaceChildren(...model.get("rows").map((row, place) => {
      const made = document.createElement("div");
      made.setAttribute("role", "option");
      made.dataset.id = row.id;
      made.id = `${model.get("name")}-${place}`;
      const title = document.createElement("div");
      title.textContent = row.title;
      const note = document.createElement("div");
      note.className = "cs-pick-note";
      note.textContent = row.note;
      made.append(title, note);
      made.addEventListener("click", () => pick(place));
      return made;
    }));
    list.scrollTop = 0;
    mark();
    if (onward === null) return;
    const place = onward > 0 ? 0 : model.get("rows").length - 1;
    onward = null;
    pick(place);
  }
  // the pane beside the list, a screen further on: who reads with the arrow keys need not leave the list
  function read(step) {
    const pane = el.closest(".jp-OutputArea-output")?.querySelector(".cs-pane");
    pane?.scrollBy({ top: step * 0.85 * pane.clientHeight });
  }
  function head() {
    const pages = model.get("pages");
    count.textContent = model.get("heading") + (pages > 1 ? ` · page ${model.get("page") + 1} of ${pages}` : "");
    earlier.disabled = model.get("page") === 0;
    later.disabled = model.get("page") >= pages - 1;
    list.setAttribute("aria-label", model.get("heading"));
  }
  list.addEventListener("keydown", (event) => {
    const rows = model.get("rows");
    const at = rows.findIndex((row) => row.id === model.get("chosen"));
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: () => pick(at + 1), ArrowUp: () => pick(at - 1), Home: () => pick(0),
      End: () => pick(rows.length - 1), PageDown: () => turn(1), PageUp: () => turn(-1),
      " ": () => read(event.shiftKey ? -1 : 1) }[event.key] ??
      (model.get("shortcuts").includes(event.key) && !event.repeat
        && (() => model.send({ key: event.key, chosen: model.get("chosen") })));
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    step();
  });
  model.on("change:rows", draw);
  model.on("change:chosen", mark);
  for (const name of ["heading", "page", "pages"]) model.on(`change:${name}`, head);
  draw();
  head();
}
export default { render };
