// One button changes the colours of the page: its name says which are chosen.
(() => {
  const page = document.documentElement;
  const CHOSEN = { light: say("light"), dark: say("dark"), auto: say("as the system has them") };

  function name() {
    for (const button of document.querySelectorAll(".theme-switch-button"))
      button.setAttribute("aria-label", say`Colours: ${CHOSEN[page.dataset.mode]}`);
  }

  new MutationObserver(name).observe(page, { attributeFilter: ["data-mode"] });
  document.addEventListener("DOMContentLoaded", name);
})();
