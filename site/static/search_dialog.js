// The dialog of the search, on all pages: what it needs is fetched when it is first opened.
(() => {
  const dialog = document.getElementById("pst-search-dialog");
  if (!dialog || document.getElementById("search-results")) return; // there it is already
  const fetch = () => {
    const script = document.createElement("script");
    script.src = `${document.documentElement.dataset.content_root}_static/search.js`;
    document.head.append(script);
  };
  if (dialog.open) fetch();
  else dialog.addEventListener("focusin", fetch, {once: true});
})();
