// A pane that scrolls by itself. Where a conversation may be labelled, its buttons send the answer.
function render({ model, el }) {
  // in command mode JupyterLab has its own meaning for letters and digits
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  function draw() {
    el.innerHTML = model.get("html");
    el.scrollTop = 0;
  }
  el.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-answer]");
    if (!button) return;
    const { conversation } = button.closest("[data-conversation]").dataset;
    model.send({ conversation, answer: button.dataset.answer });
  });
  // what became of an answer; the rest of the pane stays as it is, with whatever is unfolded
  model.on("msg:custom", ({ conversation, answer, said, failed }) => {
    for (const row of el.querySelectorAll("[data-conversation]")) {
      if (row.dataset.conversation !== conversation) continue;
      const status = row.querySelector("[role=status]");
      status.textContent = said;
      status.classList.toggle("cs-failed", failed);
      if (failed) continue;
      for (const made of row.querySelectorAll("button")) made.setAttribute("aria-pressed", made.dataset.answer === answer);
    }
  });
  model.on("change:html", draw);
  draw();
}
export default { render };
