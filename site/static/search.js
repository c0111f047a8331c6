// The search. It ranks the entries that site/search_index.py wrote: sections, rows of tables, calls,
// words of the glossary, functions. All words must be there; if no entry has all, those with most of them come,
// and a line says so. What is typed is text everywhere, never HTML and never a pattern.
(() => {
  "use strict";

  const ROOT = document.documentElement.dataset.content_root || "./";
  const FIELDS = ["title", "prose", "code", "hidden", "page"];
  const WEIGHTS = {title: 12, prose: 3, code: 1, hidden: 0.4, page: 1.5};
  // After a heading, the first before prose.
  const [GLOSSARY_NAME, FUNCTION_NAME, CALL_NAME] = [8, 5, 4];
  const ROW = 1.2; // times what its page weighs: what a row says is short and of many things
  const OUTPUT = 3; // in place of code, for a number with decimals: it was copied from one
  const [TITLE, PROSE, CODE, HIDDEN] = [0, 1, 2, 3];
  // What a page is to somebody who searches, and a section among those of its page.
  const PAGES = [[/\/api_/, 0.15], [/\/(about|teaching|bibliography|index)\./, 0.5], [/\/cheat_sheet/, 0.6], [/\/equivalents/, 0.4], [/\/pitfalls/, 0.5]];
  const SECTIONS = [[/^exercise/, 0.35], [/^(what-you-can-now-say|sources|further-reading)/, 0.7]];
  const SPLIT = 0.6; // log sum exp where log-sum-exp was typed
  const LONGEST = 300; // letters of a query that are read

  // Names for one thing. Those of the glossary, Chinese ones among them, come from its entries.
  const SAME = `
    cross-entropy, softmax loss, log loss, CE
    negative log-likelihood, NLL
    squared error, MSE, mean squared error, L2 loss
    KL, Kullback-Leibler, relative entropy
    log-sum-exp, LSE, 软最大值
    binary cross-entropy, BCE, 二分类
    overflow, 上溢, 溢出
    ulp, unit in the last place
    float16, half precision, fp16, 半精度
    float32, single precision, fp32, 单精度
    float64, double precision, fp64, 双精度
    bfloat16, bf16
    distillation, KD, 蒸馏
    loss, 损失, 损失函数
    rectified unit, ReLU
    numerical stability, numerically stable, 数值稳定, 数值稳定性
    derivative, slope, gradient, 导数, 求导
    derivation, 推导
    exercise, 练习
  `;
  // From the first to the others, and how near they are.
  const NEAR = [
    [0.15, "overflow", "inf", "nan"],
    [0.15, "underflow", "subnormal"],
    [0.15, "nan", "not a number"],
    [0.6, "-100", "ignore_index", "ignore"],
  ];
  const IDLE = new Set(
    ("a an and are as at be by can do does for from get give gives how i if in is it its me my of " +
      "on or so that the this to was what when where which who why with you 的 了 是 吗 呢 和 与 " +
      "在 会 什么 怎么 怎样 为什么 如何 哪个").split(" "),
  );
  const HAN = /\p{Script=Han}/u;
  const TOKEN =
    /(\p{Script=Han})|([-−]?)(\d+(?:,\d{3}(?!\d))*(?:\.\d+)?(?:[eE][-−+]?\d+)?)|((?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}_])+)/gu;

  // ---- Words -------------------------------------------------------------------------------

  // Words and numbers of a text: {word, start, end}. Those joined by a hyphen, an underscore or
  // capitals are single words and, from the first of them, one: {whole, parts}.
  function tokens(text) {
    const found = [];
    let run = null;
    for (const match of text.matchAll(TOKEN)) {
      let start = match.index;
      const end = start + match[0].length;
      if (match[1]) {
        found.push({word: match[1], start, end});
        run = null;
      } else if (match[3]) {
        const isSign = match[2] && !/[\p{L}\p{N})\]]$/u.test(text.slice(Math.max(0, start - 2), start));
        if (match[2] && !isSign) start += match[2].length;
        const word = match[3].replace(/,/g, "").replace("−", "-").toLowerCase();
        found.push({word: (isSign ? "-" : "") + word, start, end, number: true});
        run = null;
      } else {
        const joins = run && start === run.end + 1 && /[-‐‑]/.test(text[run.end]);
        const first = joins ? run.first : found.length;
        for (const part of match[4].matchAll(/[^_]+/g)) {
          let at = start + part.index;
          for (const piece of humps(part[0])) {
            found.push({word: lower(piece), start: at, end: at + piece.length});
            at += piece.length;
          }
        }
        if (found.length === first) continue; // underscores alone
        run = {first, end};
        if (found.length - first > 1) {
          const parts = found.slice(first).map((token) => token.word);
          Object.assign(found[first], {whole: parts.join(""), parts: parts.length, wholeEnd: end});
        }
      }
    }
    return found;
  }

  const lower = (word) => word.normalize("NFKC").toLowerCase();
  // CrossEntropyLoss: Cross, Entropy, Loss.
  const humps = (word) =>
    word.replace(/(\p{Ll})(\p{Lu})/gu, "$1\u0000$2").replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1\u0000$2").split("\u0000");

  // Plurals, -ing and -ed, roughly: both sides of a comparison are treated alike.
  function stem(word) {
    let short = word;
    if (short.length > 3 && /[^siu]s$/.test(short)) short = short.slice(0, -1);
    const ending = /(?:ing|ed)$/.exec(short);
    if (ending && short.length - ending[0].length > 2)
      short = short.slice(0, ending.index).replace(/([^aeiouls])\1$/, "$1");
    return short.length > 3 ? short.replace(/(?:e|ie|y)$/, "") : short;
  }

  const decimals = (word) => /\.(\d+)$/.exec(word)?.[1].length ?? 0;
  const near = (long, short) => Math.abs(Number(long) - Number(short)) <= 0.5000001 * 10 ** -decimals(short);

  // How well a number of the book is the one that was typed.
  function likeness(typed, there) {
    if (typed === there) return 1;
    const [a, b] = [Number(typed), Number(there)];
    if (a === b) return 0.95;
    if (decimals(typed) && there.startsWith(typed)) return 0.8;
    if (decimals(typed) > 1 && decimals(there) > decimals(typed) && near(there, typed)) return 0.75;
    if (decimals(there) > 2 && decimals(typed) > decimals(there) && near(typed, there)) return 0.85;
    if (a > 0 && decimals(typed) > 1 && b < 0) return 0.9 * likeness(typed, there.slice(1));
    return 0;
  }

  // ---- The entries, made ready once --------------------------------------------------------

  let book = null;

  function ready({pages, entries}) {
    const words = new Map(); // word -> Map(8 * entry + field -> positions)
    const lengths = new Map();
    const add = (word, key, position) => {
      if (!words.has(word)) words.set(word, new Map());
      const places = words.get(word);
      if (places.has(key)) places.get(key).push(position);
      else places.set(key, [position]);
    };
    const made = entries.map(([page, anchor, kind, title, names, prose, code, hidden], number) => {
      const heading = kind === "term" ? names.join(" · ") : title;
      const texts = [heading, prose, code, hidden, anchor ? pages[page][1] : ""];
      const weight = (list, name) => list.find(([pattern]) => pattern.test(name))?.[1] ?? 1;
      texts.forEach((text, field) => {
        const list = tokens(text);
        lengths.set(8 * number + field, list.length);
        list.forEach((token, position) => {
          add(token.word, 8 * number + field, position);
          if (token.whole) add(token.whole, 8 * number + field, position);
        });
      });
      return {
        texts, kind, names, title: heading, page: pages[page][1],
        href: ROOT + pages[page][0] + (anchor ? "#" + anchor : ""),
        weight: weight(PAGES, pages[page][0]) * weight(SECTIONS, anchor) * (kind === "row" ? ROW : 1),
        named: kind === "row" ? namesIn(heading, names) : null,
      };
    });
    const stems = new Map();
    for (const word of words.keys()) {
      const key = stem(word);
      stems.set(key, [...(stems.get(key) ?? []), word]);
    }
    const average = FIELDS.map((_, field) => {
      const all = made.map((_, number) => lengths.get(8 * number + field)).filter((n) => n);
      return all.reduce((sum, n) => sum + n, 0) / all.length || 1;
    });
    const numbers = [...words.keys()].filter((word) => /^-?\d/.test(word));
    book = {entries: made, words, stems, lengths, average, numbers, same: namesakes(made)};
    book.glossary = pages[entries.find(([, , kind]) => kind === "term")?.[0]]?.[0];
  }

  // For each word of a row's head: how many words the name has that it is part of.
  function namesIn(head, names) {
    const all = tokens(head);
    const lengths = all.map(() => all.length);
    for (const name of names) {
      const [start, words] = [head.indexOf(name), tokens(name).length];
      all.forEach((token, i) => {
        if (token.start >= start && token.end <= start + name.length) lengths[i] = words;
      });
    }
    return lengths;
  }

  // For each name, as its words: the other names of the same thing, and how near they are.
  function namesakes(entries) {
    const same = new Map();
    const set = (name, other, weight) => {
      const key = keyOf(name);
      if (!same.has(key)) same.set(key, []);
      if (keyOf(other) !== key) same.get(key).push([other, weight]);
    };
    const everyWay = (names, weight) => names.forEach((a) => names.forEach((b) => set(a, b, weight(a))));
    for (const line of SAME.trim().split("\n")) everyWay(line.split(",").map((name) => name.trim()), () => 0.7);
    for (const [weight, first, ...others] of NEAR) others.forEach((other) => set(first, other, weight));
    for (const {kind, names} of entries)
      if (kind === "term") everyWay(names, (name) => (HAN.test(name) ? 0.8 : 0.4));
    return same;
  }

  function keyOf(name) {
    const words = tokens(name).map((token) => token.word);
    const busy = words.filter((word) => !IDLE.has(word));
    return (busy.length ? busy : words).map((word) => (HAN.test(word) ? word : stem(word))).join(" ");
  }

  // ---- What was typed ----------------------------------------------------------------------

  // A query is a list of terms; a term is found by any of its ways; a way is a list of sequences
  // of words, all of which must be there, each in one piece.
  function parse(typed) {
    const text = typed.normalize("NFKC").slice(0, LONGEST);
    const list = tokens(text);
    let terms = [];
    for (let i = 0; i < list.length; ) {
      let n = 1;
      if (HAN.test(list[i].word)) {
        while (list[i + n] && HAN.test(list[i + n].word) && list[i + n].start === list[i + n - 1].end) n++;
        terms.push(...inChinese(list.slice(i, i + n).map((token) => token.word).join("")));
      } else {
        n = list[i].parts ?? 1;
        const words = list.slice(i, i + n).map((token) => token.word);
        const next = list[i + n];
        const dotted = next && text.slice(list[i + n - 1].end, next.start) === "." && !next.number && !list[i].number;
        terms.push({words, idle: n === 1 && IDLE.has(words[0]), optional: dotted});
      }
      i += n;
    }
    if (terms.some((term) => !term.idle)) terms = terms.filter((term) => !term.idle);
    if (terms.length > 1) terms = terms.filter((term) => !HAN.test(term.words[0]) || term.words.length > 1 || term.named);
    const last = terms[terms.length - 1];
    if (last) last.last = true;
    return withNamesakes(terms);
  }

  // Names that the book knows, the longest first; of the rest, overlapping pairs of characters.
  function inChinese(run) {
    const terms = [];
    let rest = "";
    const flush = () => {
      for (const idle of IDLE) if (HAN.test(idle)) rest = rest.split(idle).join(" ");
      for (const piece of rest.split(" ").filter((piece) => piece)) {
        const letters = [...piece];
        if (letters.length === 1) terms.push({words: letters});
        for (let i = 0; i + 1 < letters.length; i++) terms.push({words: letters.slice(i, i + 2)});
      }
      rest = "";
    };
    const letters = [...run];
    for (let i = 0; i < letters.length; ) {
      let n = letters.length - i;
      const isName = (n) => book.same.has(letters.slice(i, i + n).join(" "));
      while (n > 1 && !isName(n)) n--;
      if (n > 1 || (letters.length === 1 && isName(1))) {
        flush();
        terms.push({words: letters.slice(i, i + n), named: true});
      } else rest += letters[i];
      i += n;
    }
    flush();
    return terms.length ? terms : [{words: letters}];
  }

  function withNamesakes(terms) {
    const made = [];
    for (let i = 0; i < terms.length; ) {
      let n = Math.min(4, terms.length - i);
      const named = (n) => book.same.get(keyOf(terms.slice(i, i + n).map((term) => term.words.join(HAN.test(term.words[0]) ? "" : " ")).join(" ")));
      while (n > 1 && !named(n)) n--;
      const group = terms.slice(i, i + n);
      const ways = [{weight: 1, sequences: group.map((term) => term.words)}];
      // Each of the words somewhere is something, too.
      if (n === 1 && group[0].words.length > 1 && !HAN.test(group[0].words[0]))
        ways.push({weight: 0.4, sequences: group[0].words.map((word) => [word])});
      for (const [name, weight] of named(n) ?? [])
        ways.push({weight, sequences: [tokens(name).map((token) => token.word)], other: true});
      made.push({ways, optional: group.every((term) => term.optional), last: group[n - 1].last});
      i += n;
    }
    return made;
  }

  // ---- Finding -----------------------------------------------------------------------------

  // The words of the book that a typed word stands for, and how well: [[word, likeness], …].
  function meant(typed, last) {
    if (/^-?\d/.test(typed))
      return book.numbers.map((word) => [word, likeness(typed, word)]).filter(([, like]) => like > 0);
    const found = new Map();
    if (book.words.has(typed)) found.set(typed, 1);
    if (!HAN.test(typed))
      for (const word of book.stems.get(stem(typed)) ?? []) if (!found.has(word)) found.set(word, 0.9);
    const like = found.size ? (last && typed.length > 3 ? 0.1 : 0) : typed.length > 1 ? 0.5 : 0;
    if (like && !HAN.test(typed))
      for (const word of book.words.keys()) if (word.startsWith(typed) && !found.has(word)) found.set(word, like);
    if (!found.size && typed.length > 4)
      for (const word of book.words.keys()) if (isSlip(typed, word)) found.set(word, 0.4);
    return [...found];
  }

  // Whether a word became another by one slip: a letter too many, missing, wrong, or two swapped.
  function isSlip(typed, word) {
    if (Math.abs(typed.length - word.length) > 1 || typed[0] !== word[0]) return false;
    let i = 0;
    while (i < typed.length && typed[i] === word[i]) i++;
    const [a, b] = [typed.slice(i), word.slice(i)];
    return (
      a.slice(1) === b || a === b.slice(1) || a.slice(1) === b.slice(1) ||
      (a[0] === b[1] && a[1] === b[0] && a.slice(2) === b.slice(2))
    );
  }

  // Where words stand one after the other: Map(key -> {times, places: [[position, number of words]]}).
  function places(sequence, last) {
    const found = new Map();
    const add = (key, position, count, like) => {
      if (!found.has(key)) found.set(key, {times: 0, like: 0, places: []});
      const hit = found.get(key);
      hit.times += like;
      hit.like = Math.max(hit.like, like);
      hit.places.push([position, count]);
    };
    const lists = sequence.map((word, i) => meant(word, last && i === sequence.length - 1));
    const whole = sequence.length > 1 && !HAN.test(sequence[0]) ? sequence.join("") : null;
    for (const [word, like] of lists[0])
      for (const [key, positions] of book.words.get(word))
        for (const position of positions) {
          let worst = like;
          for (let i = 1; i < sequence.length && worst; i++) {
            const next = lists[i].filter(([other]) => book.words.get(other).get(key)?.includes(position + i));
            worst = next.length ? Math.min(worst, ...next.map(([, like]) => like)) : 0;
          }
          if (worst) add(key, position, sequence.length, whole ? SPLIT * worst : worst);
        }
    if (whole)
      for (const [word, like] of meant(whole, false))
        if (like >= 0.9)
          for (const [key, positions] of book.words.get(word))
            for (const position of positions)
              add(key, position, 1, like);
    return found;
  }

  // What a sequence is worth in each entry: Map(entry -> {score, hits: Map(field -> hit)}).
  function worth(found, isPrecise) {
    const entries = new Map();
    for (const [key, hit] of found) {
      const [number, field] = [key >> 3, key & 7];
      const {kind, weight, named} = book.entries[number];
      const long = book.lengths.get(key) / book.average[field];
      const often = (2.2 * hit.times) / (hit.times + 1.2 * (0.35 + 0.65 * long));
      let score = (field === CODE && isPrecise ? OUTPUT : WEIGHTS[FIELDS[field]]) * often;
      if (field === TITLE) {
        const words = hit.places.reduce((most, [, count]) => Math.max(most, count), 1);
        const share = named
          ? hit.places.reduce((most, [at, count]) => Math.max(most, Math.min(1, count / named[at])), 0)
          : Math.min(1, words / book.lengths.get(key));
        score = hit.like * {
          section: WEIGHTS.title * (0.7 + 0.3 * share),
          row: WEIGHTS.title * (0.2 + 0.8 * share ** 2),
          call: CALL_NAME * (0.2 + 0.8 * share),
          term: GLOSSARY_NAME,
          function: FUNCTION_NAME * (0.2 + 0.8 * share),
          source: WEIGHTS.prose,
        }[kind];
      }
      score *= field === TITLE && kind !== "section" ? 1 : weight;
      if (!entries.has(number)) entries.set(number, {score: 0, hits: new Map()});
      entries.get(number).score += score;
      entries.get(number).hits.set(field, hit);
    }
    return entries;
  }

  function search(typed) {
    const terms = parse(typed);
    if (!terms.length) return {results: [], all: true};
    const scores = new Map(); // entry -> {score, terms, hits: [[field, hit], …]}
    terms.forEach((term, number) => {
      const best = new Map();
      for (const way of term.ways) {
        const parts = way.sequences.map((sequence) => worth(places(sequence, term.last && !way.other), /\.\d\d/.test(sequence[0])));
        for (const entry of parts[0].keys())
          if (parts.every((part) => part.has(entry))) {
            const score = (way.weight * parts.reduce((sum, part) => sum + part.get(entry).score, 0)) / parts.length;
            const hits = parts.flatMap((part) => [...part.get(entry).hits]);
            const before = best.get(entry);
            const [more, less] = [Math.max(score, before?.score ?? 0), Math.min(score, before?.score ?? 0)];
            best.set(entry, {score: more + 0.5 * less, hits: [...(before?.hits ?? []), ...hits]});
          }
      }
      const rare = Math.log(1 + book.entries.length / (1 + best.size));
      for (const [entry, {score, hits}] of best) {
        if (!scores.has(entry)) scores.set(entry, {score: 0, terms: new Set(), hits: []});
        const sum = scores.get(entry);
        sum.score += score * rare * (term.optional ? 0.3 : 1);
        sum.terms.add(number);
        sum.hits.push(...hits.map(([field, hit]) => ({field, hit, term: number})));
      }
    });
    const needed = terms.map((term, number) => number).filter((number) => !terms[number].optional);
    const pieces = pairs(typed);
    const exact = keyOf(typed);
    let list = [...scores].map(([number, found]) => ({...found, number, entry: book.entries[number]}));
    const all = list.filter((found) => needed.every((number) => found.terms.has(number)));
    const some = all.length === 0;
    list = some ? list : all;
    for (const found of list) {
      found.score *= 1 + (some ? 5 : 1.5) * together(pieces, found.number);
      if (found.entry.names.concat(found.entry.title).some((name) => keyOf(name).replace(/ /g, "") === exact.replace(/ /g, "")))
        found.score *= found.entry.kind === "row" ? 4 : 1.3; // its name is what one types
      found.score *= (found.terms.size / terms.length) ** 3;
    }
    list.sort((a, b) => b.score - a.score || a.number - b.number);
    if (some && list.length) list = list.filter((found) => found.score > 0.3 * list[0].score).slice(0, 20);
    return {results: list, all: !some};
  }

  // The neighbours in a query, idle words included, but not the parts of one word.
  function pairs(typed) {
    const list = tokens(typed.normalize("NFKC").slice(0, LONGEST));
    const inOne = new Set(list.flatMap(({parts = 1}, i) => Array.from({length: parts - 1}, (_, n) => i + n)));
    const apart = list.slice(1).map((_, i) => i).filter((i) => !inOne.has(i));
    return apart.map((i) => [meant(list[i].word), meant(list[i + 1].word)]);
  }

  // The share of neighbours in the query that are neighbours in an entry: in a field of words
  // or, which counts half, in its code.
  function together(pieces, number) {
    if (!pieces.length) return 0;
    const share = (field) => {
      const at = (list) => list.flatMap(([word, like]) => (like > 0.7 ? book.words.get(word).get(8 * number + field) ?? [] : []));
      return pieces.filter(([a, b]) => { const next = new Set(at(b)); return at(a).some((p) => next.has(p + 1)); }).length / pieces.length;
    };
    return Math.max(share(TITLE), share(PROSE), 0.5 * share(CODE), share(HIDDEN));
  }

  // ---- Showing -----------------------------------------------------------------------------

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // Text with the stretches between [start, end] marked, and Chinese said to be Chinese.
  function marked(text, stretches, from = 0, to = text.length) {
    const pieces = [];
    const add = (words, into) => {
      for (const piece of words.split(/(\p{Script=Han}+)/u))
        if (piece) into.push(HAN.test(piece) ? element("span", {lang: "zh-Hans"}, piece) : piece);
    };
    let at = from;
    for (const [start, end] of stretches) {
      if (start < at || end > to) continue;
      add(text.slice(at, start), pieces);
      const inside = [];
      add(text.slice(start, end), inside);
      pieces.push(element("mark", {}, ...inside));
      at = end;
    }
    add(text.slice(at, to), pieces);
    return pieces;
  }

  // Where the words that were found stand in a field: [[start, end, term], …], in order.
  function stretches(found, field) {
    const list = tokens(found.entry.texts[field]);
    return found.hits
      .filter((hit) => hit.field === field)
      .flatMap(({hit, term}) => hit.places.map(([at, count]) => {
        const whole = count === 1 && list[at].whole && hit.whole;
        return [list[at].start, whole ? list[at].wholeEnd : list[Math.min(at + count, list.length) - 1].end, term];
      }))
      .sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  }

  // The stretch of a text with most of the words, from the beginning of a sentence if it is near.
  function excerpt(text, marks, length = 220) {
    let [best, most] = [0, -1];
    marks.forEach(([start], i) => {
      const terms = new Set(marks.slice(i).filter((mark) => mark[1] < start + length - 60).map((mark) => mark[2]));
      if (terms.size > most) [best, most] = [start, terms.size];
    });
    let from = Math.max(0, best - 60);
    const before = text.slice(Math.max(0, best - 120), best);
    const sentence = Math.max(...[". ", "? ", "! ", "。"].map((end) => before.lastIndexOf(end)));
    if (best < 80) from = 0;
    else if (sentence >= 0) // a full stop of Chinese has no space after it
      from = best - before.length + sentence + (before[sentence] === "。" ? 1 : 2);
    else from = text.indexOf(" ", from) + 1 || from;
    if (from > best) from = best;
    while (from < best && /[\s·|]/.test(text[from])) from++;
    let to = Math.min(text.length, from + length);
    if (to < text.length) {
      const space = text.lastIndexOf(" ", to);
      if (space > best + 20) to = space;
    }
    return [from ? "…" : "", ...marked(text, marks, from, to), to < text.length ? "…" : ""];
  }

  function shown(found) {
    const {entry} = found;
    const [title, prose, code] = entry.texts;
    const item = element("li", {}, element("a", {href: entry.href}, ...marked(title, stretches(found, TITLE))));
    if (entry.page !== title) item.append(" ", element("span", {class: "where"}, entry.page));
    const inProse = stretches(found, PROSE);
    const inCode = stretches(found, CODE);
    if (prose) item.append(element("p", {}, ...excerpt(prose, inProse)));
    const said = new Set(inProse.map((mark) => mark[2]));
    const first = inCode.find((mark) => !said.has(mark[2])) ?? (prose ? null : [0, 0]);
    if (first && code) {
      const start = code.lastIndexOf("\n", first[0]) + 1;
      const end = (code.indexOf("\n", first[0]) + code.length + 1) % (code.length + 1);
      const from = Math.max(start, Math.min(first[0] - 30, end - 110));
      const line = marked(code, inCode.filter((mark) => mark[0] >= from), from, Math.min(end, from + 110));
      item.append(element("code", {}, from > start ? "…" : "", ...line, end > from + 110 ? "…" : ""));
    }
    return item;
  }

  const link = (address, words) => element("a", {href: ROOT + address}, words);

  // Fill a box with what was found, at most so many, and say how many there are.
  function fill(box, status, typed, most) {
    const {results, all} = search(typed);
    box.replaceChildren();
    const count = results.length === 1 ? say("1 result") : say`${results.length} results`;
    if (!typed.trim()) status.textContent = "";
    else if (!results.length) status.textContent = say("Nothing found.");
    else status.textContent = all ? say`${count}.`
      : say`No section has all of these words. ${count} with some of them.`;
    if (typed.trim() && !results.length)
      box.append(element("p", {}, say("Try fewer or other words, in English or Chinese, or look in the "),
        ...(book.glossary ? [link(book.glossary, say("glossary")), say(" or the ")] : []),
        link("genindex.html", say("index")), say(".")));
    if (!results.length) return;
    const list = element("ol", {class: "found"}, ...results.slice(0, most).map(shown));
    box.append(list);
    if (results.length > most) more(box, list, results, typed, most);
  }

  function more(box, list, results, typed, most) {
    if (box.id !== "search-results") {
      box.append(element("p", {}, link("search.html?q=" + encodeURIComponent(typed), say`All ${results.length} results`)));
      return;
    }
    const button = element("button", {type: "button", class: "btn btn-sm more"}, say`Show ${results.length - most} more`);
    button.addEventListener("click", () => {
      const added = results.slice(most).map(shown);
      list.append(...added);
      button.remove();
      added[0].querySelector("a").focus();
    });
    box.append(button);
  }

  // ---- The page of the search, and the dialog on all pages -----------------------------------

  let loading = null;
  const load = () =>
    (loading ??= new Promise((then, fail) => {
      const script = element("script", {src: ROOT + "_static/search_sections.js"});
      script.addEventListener("load", () => {
        ready(window.searchSections);
        delete window.searchSections;
        then();
      });
      script.addEventListener("error", fail);
      document.head.append(script);
    }));

  function listen(input, box, status, most, done = () => {}) {
    let timer = null;
    let current = "";
    const show = () => {
      clearTimeout(timer);
      current = input.value;
      const typed = current;
      load().then(
        () => {
          if (typed !== current) return;
          fill(box, status, typed, most);
          done(typed);
        },
        () => (status.textContent = say("The list of sections could not be loaded.")),
      );
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(show, 150);
    });
    // The arrow keys go through what was found, and back.
    (box.closest("dialog") ?? box.parentElement).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const stops = [input, ...box.querySelectorAll("a")];
      const at = stops.indexOf(document.activeElement);
      const next = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (at < 0 || !next) return;
      event.preventDefault();
      next.focus();
    });
    return show;
  }

  function startPage(box) {
    const form = document.querySelector(".bd-search-container form");
    const input = form.querySelector("input");
    const status = element("p", {id: "search-status", role: "status"});
    box.before(status);
    const show = listen(input, box, status, 20, (typed) => {
      document.body.dataset.searched = ""; // tests/test_search.py waits for it
      const address = new URL(location.href);
      if (typed.trim()) address.searchParams.set("q", typed);
      else address.searchParams.delete("q");
      try {
        history.replaceState(null, "", address);
      } catch {
        // A browser that does not let files do so.
      }
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      show();
    });
    input.value = new URLSearchParams(location.search).get("q") ?? "";
    if (input.value) show();
  }

  function startDialog(dialog) {
    const input = dialog.querySelector("input");
    const box = element("div", {class: "found-in-dialog"});
    const status = element("p", {role: "status"});
    dialog.append(element("div", {class: "below"}, status, box));
    const show = listen(input, box, status, 7);
    input.addEventListener("focus", load);
    if (dialog.open) show(); // this script came when the dialog was opened
    // A result on this page: the dialog is in the way.
    box.addEventListener("click", (event) => event.target.closest("a") && dialog.close());
  }

  const page = document.getElementById("search-results");
  const dialog = document.getElementById("pst-search-dialog");
  if (page) startPage(page);
  if (dialog) startDialog(dialog);
})();
