// Paper is white: a page in dark colours is printed in light ones.
(() => {
  const page = document.documentElement;
  let colours;
  window.matchMedia("print").addEventListener("change", (event) => {
    if (event.matches) colours = page.dataset.theme;
    page.dataset.theme = event.matches ? "light" : colours;
  });
})();
