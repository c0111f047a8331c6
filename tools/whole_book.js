// What paper needs that a screen does not. The page holds all documents of the book, each in a
// <div class="document" id="name">. Called by tools/pdf.py before it prints. Gives the headings.
async function forPaper() {
  const documents = [...document.querySelectorAll(".document")];
  document.title = headingText(documents[0].querySelector("h1"));
  documents.forEach(nameApart);
  document.querySelectorAll("a[href]").forEach((link) => leadInside(link, documents));
  documents.forEach(collectSolutions);
  // Answers stand where they are asked for. Folded code stays folded: the notebooks have it.
  for (const folded of document.querySelectorAll("details:not(.hide)")) folded.open = true;
  await Promise.all([...document.images].map((image) => {
    image.loading = "eager";
    return image.decode();
  }));
  const unset = [...document.querySelectorAll(".math")].filter((box) => !box.querySelector("mjx-container"));
  if (unset.length) throw new Error(`not set: ${unset[0].textContent}`);
  const headings = [...document.querySelectorAll(".document :is(h1, h2, h3, h4)")];
  return headings.filter((heading) => heading.checkVisibility()).map(headingText);
}

// Without the sign of the link.
function headingText(heading) {
  return heading.textContent.replace(/#\s*$/, "").replace(/\s+/g, " ").trim();
}

// Two chapters may use one id. Each gets the name of its document in front; those of figures have it.
function nameApart(box) {
  for (const node of box.querySelectorAll("[id]:not(svg *)")) node.id = `${box.id}--${node.id}`;
}

// Links to other pages of the book become links in the PDF, and the rest of the site is not there.
function leadInside(link, documents) {
  const url = new URL(link.getAttribute("href"), document.baseURI);
  if (url.protocol !== "file:") return;
  const own = link.closest(".document").id;
  const page = url.pathname === location.pathname ? own : url.pathname.match(/(\w+)\.html$/)?.[1];
  if (!documents.some((box) => box.id === page)) return link.removeAttribute("href");
  link.setAttribute("href", `#${page}${url.hash ? `--${url.hash.slice(1)}` : ""}`);
}

// Hints and solutions of the exercises move to the end of their chapter.
function collectSolutions(box) {
  const folded = [...box.querySelectorAll("details.hint")];
  if (!folded.length) return;
  const end = box.querySelector("section").appendChild(document.createElement("section"));
  end.className = "solutions";
  end.innerHTML = `<h2>${say("Hints and solutions")}</h2>`;
  let exercise;
  for (const details of folded) {
    const section = details.closest("section");
    if (section !== exercise) {
      exercise = section;
      const heading = end.appendChild(document.createElement("h3"));
      heading.textContent = headingText(section.querySelector("h3"));
    }
    end.append(details);
  }
}
