// A question, its answers with their keys, and how far one has come. Keys work while the pad has the focus.
function render({ model, el }) {
  const pad = document.createElement("div");
  pad.className = "cs-pad";
  pad.tabIndex = 0;
  const bar = document.createElement("div");
  bar.className = "cs-pad-bar";
  const progress = document.createElement("progress");
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  bar.append(progress, said);
  const content = document.createElement("div");
  content.className = "cs-pad-content";
  const answers = document.createElement("div");
  answers.className = "cs-pad-answers";
  const off = document.createElement("div");
  off.className = "cs-pad-off";
  off.textContent = "Keys are off: click here, or press Tab until this frame is blue.";
  pad.append(bar, content, answers, off);
  el.append(pad);

  function send(answer) {
    // the serial says which question was on the screen: a second press cannot answer the next one
    model.send({ answer, serial: model.get("serial") });
    pad.focus({ preventScroll: true });
  }
  function draw() {
    content.innerHTML = model.get("html");
    content.scrollTop = 0;
    answers.replaceChildren(...model.get("answers").map(({ key, label, answer }) => {
      const made = document.createElement("button");
      const shown = document.createElement("kbd");
      shown.textContent = key;
      made.append(shown, ` ${label}`);
      made.dataset.answer = answer;
      made.addEventListener("click", () => send(answer));
      return made;
    }));
  }
  function count() {
    progress.max = Math.max(model.get("total"), 1);
    progress.value = model.get("done");
    said.textContent = model.get("message");
    said.classList.toggle("cs-pad-failed", model.get("failed"));
  }
  pad.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const found = model.get("answers").find(({ key }) => key.toLowerCase() === event.key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    send(found.answer);
  });
  // whoever runs the cell and sees the pad can answer at once, unless a cell is being edited
  const seen = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    setTimeout(() => { if (!document.activeElement.closest(".cm-editor")) pad.focus({ preventScroll: true }); }, 300);
  });
  seen.observe(pad);
  model.on("change:serial", draw);
  for (const name of ["done", "total", "message", "failed"]) model.on(`change:${name}`, count);
  // in command mode JupyterLab has its own meaning for letters: "a" would insert a cell
  pad.setAttribute("data-lm-suppress-shortcuts", "true");
  draw();
  count();
}
export default { render };
