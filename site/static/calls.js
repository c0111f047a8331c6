// The table of equivalents shows one library beside the companion's. Which one is kept in this
// browser; an address such as #calls-keras-softmax names another for as long as it stands. It is
// loaded in the head: the page is never seen with all libraries first. Paper has them all.
(() => {
  const KEY = "library of the calls";
  const sheet = document.head.appendChild(document.createElement("style"));

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a browser may forbid it
    }
  }

  function remember(library) {
    try {
      localStorage.setItem(KEY, library);
    } catch {
      // The choice then lasts as long as the page.
    }
  }

  const named = () => /^#calls-([a-z]+)-/.exec(location.hash)?.[1];

  function show(library) {
    const one = library && library !== "all";
    sheet.textContent = `@media screen {
      .calls-choice { display: block !important; }
      ${one ? `.calls [data-of]:not([data-of="${library}"], [data-of="numpy"]) { display: none; }
      .calls tr.none[data-of="${library}"] { display: table-row; }` : ""}
    }`;
  }

  // What is read stays in its place when lines above it come or go: the first row or heading in the
  // upper half of the window, or else the row that fills it, from its head on.
  function inPlace(change, choice) {
    const edge = Math.max(0, choice.getBoundingClientRect().bottom);
    const place = (row) => row.getBoundingClientRect();
    const rows = [...document.querySelectorAll(".calls:not(.modes) tbody, .modes, article h2")];
    const row = rows.find((one) => place(one).top >= edge && place(one).top < innerHeight / 2)
      ?? rows.find((one) => place(one).bottom > edge);
    const before = row && Math.max(edge, place(row).top);
    change();
    if (row) scrollBy({ top: place(row).top - before, behavior: "instant" });
  }

  show(named() ?? remembered());
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.querySelector(".calls-choice");
    const buttons = [...choice.querySelectorAll("input")];

    function pick(...libraries) {
      const wanted = libraries.find((library) => buttons.some(({ value }) => value === library));
      const button = buttons.find(({ value }) => value === wanted) ?? buttons.at(-1);
      button.checked = true;
      show(button.value);
    }

    pick(named(), remembered());
    choice.addEventListener("change", ({ target }) => {
      inPlace(() => show(target.value), choice);
      remember(target.value);
      if (named()) history.replaceState(null, "", location.pathname + location.search);
    });
    addEventListener("hashchange", () => {
      if (!named()) return;
      pick(named(), remembered());
      document.getElementById(location.hash.slice(1))?.scrollIntoView({ behavior: "instant" });
    });
  });
})();
