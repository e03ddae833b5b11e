// A table of cells to pick from: how often the row's value won over the column's. Arrow keys move, Enter picks.
function render({ model, el }) {
  el.classList.add("cs-grid-pick");
  // in command mode JupyterLab has its own meaning for arrow keys
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  function draw() {
    const labels = model.get("labels");
    const chosen = model.get("chosen");
    const table = document.createElement("table");
    const caption = table.createCaption();
    caption.textContent = model.get("heading");
    const head = table.createTHead().insertRow();
    head.append(heading("", "col"), ...labels.map((label, place) => heading(label, "col", place)));
    const body = table.createTBody();
    labels.forEach((label, row) => {
      const line = body.insertRow();
      line.append(heading(label, "row", row));
      labels.forEach((_, column) => line.insertCell().append(cell(row, column, chosen)));
    });
    el.replaceChildren(table);
  }
  function heading(text, scope, place) {
    const made = document.createElement("th");
    made.scope = scope;
    const inner = document.createElement("span");
    inner.textContent = text;
    inner.title = text;
    if (place !== undefined) inner.style.borderColor = model.get("colors")[place];
    made.append(inner);
    return made;
  }
  function cell(row, column, chosen) {
    const found = model.get("cells")[row][column];
    if (!found) return document.createElement("span");
    const made = document.createElement("button");
    made.textContent = found.text;
    made.title = found.title;
    made.dataset.place = `${row},${column}`;
    made.setAttribute("aria-label", found.title);
    made.setAttribute("aria-pressed", chosen.length === 2 && chosen[0] === row && chosen[1] === column);
    if (found.rate !== null) {
      const colour = found.rate >= 0.5 ? "var(--cs-more)" : "var(--cs-less)";
      made.style.background = `color-mix(in srgb, ${colour} ${Math.round(Math.abs(found.rate - 0.5) * 110)}%, transparent)`;
    }
    made.addEventListener("click", () => { model.set("chosen", [row, column]); model.save_changes(); });
    made.addEventListener("keydown", (event) => {
      const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      let [r, c] = [row + step[0], column + step[1]];
      if (r === c) { r += step[0]; c += step[1]; }
      const next = el.querySelector(`[data-place="${r},${c}"]`);
      if (next) next.focus();
    });
    return made;
  }
  function press() {
    const chosen = model.get("chosen").join(",");
    for (const made of el.querySelectorAll("button")) made.setAttribute("aria-pressed", made.dataset.place === chosen);
  }
  model.on("change:cells", draw);
  model.on("change:chosen", press);
  draw();
}
export default { render };
