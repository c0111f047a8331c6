// The link to the other language leads to the section that is being read, and keeps what was
// searched for. Both editions have the same addresses.
document.querySelectorAll("a.language").forEach((link) => {
  const plain = link.href;
  link.addEventListener("click", () => {
    const above = [...document.querySelectorAll("article section[id]")]
      .filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
    const seen = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const top = seen?.getBoundingClientRect().top ?? NaN;
    // The place that the address names, if it is still on the screen.
    const place = top > -innerHeight / 2 && top < innerHeight ? seen : above.at(-1);
    const first = !place?.parentElement.closest("section[id]") && place !== seen;
    link.href = plain + location.search + (place && !first ? `#${place.id}` : "");
  });
});
