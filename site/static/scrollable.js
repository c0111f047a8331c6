// What is wider than its box scrolls inside it. Such a box must be reachable with the keyboard;
// others must not, or a page of formulas would be a page of stops for the Tab key. Its edge fades
// (book.css) as long as more is to come on the right.
(() => {
  const wide = ["mjx-container[display]", "span.math", "table", "pre"]
    .map((box) => `.bd-article ${box}`).join();

  function mark() {
    for (const box of document.querySelectorAll(wide)) {
      if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
      fade(box);
    }
  }

  const fade = (box) =>
    box.classList.toggle("wide", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    mark();
    window.addEventListener("resize", mark);
    document.addEventListener("toggle", mark, true); // a folded answer opens
    document.addEventListener("scroll", ({ target }) => {
      if (target.matches?.(wide)) fade(target);
    }, { capture: true, passive: true });
  });
})();
