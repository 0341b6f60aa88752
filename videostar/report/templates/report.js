"use strict";
// The gallery: filters an index of numbers, loads the texts of a page, and shows them as text nodes.
(() => {
  const PAGE = 20, LONG = 4000;
  const HIDDEN = /[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
  const index = JSON.parse(document.getElementById("index").textContent);
  const form = document.querySelector("form.filters"), list = document.getElementById("items");
  const count = document.getElementById("count");
  const shards = new Map(), waiting = new Map();
  let found = [], page = 0, drawn = 0;

  // Elements -----------------------------------------------------------------
  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    Object.assign(made, properties);
    made.append(...children);
    return made;
  }

  // The text with invisible characters and direction marks as code points. Half a surrogate pair is one of them.
  function visible(text) {
    const pieces = [];
    let last = 0;
    for (const match of text.matchAll(HIDDEN)) {
      const code = text.codePointAt(match.index);
      const before = match.index > 0 ? text.codePointAt(match.index - 1) : 0;
      if (code > 0xffff || (before > 0xffff && code >= 0xdc00)) continue;
      pieces.push(text.slice(last, match.index));
      pieces.push(element("span", { className: "code-point" }, `U+${code.toString(16).toUpperCase().padStart(4, "0")}`));
      last = match.index + 1;
    }
    pieces.push(text.slice(last));
    return pieces;
  }

  // Shards ---------------------------------------------------------------------
  function shardOf(item) {
    let low = 0, high = index.shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (index.shards[middle] <= item) low = middle; else high = middle - 1;
    }
    return low;
  }

  function load(number) {
    if (shards.has(number)) return Promise.resolve(shards.get(number));
    if (!waiting.has(number)) {
      waiting.set(number, new Promise((resolve, reject) => {
        const inside = document.getElementById(`shard-${number}`);
        if (inside) {
          shards.set(number, JSON.parse(inside.textContent));
          resolve(shards.get(number));
          return;
        }
        const script = element("script", { src: `data/${String(number).padStart(5, "0")}.js` });
        script.onload = () => { script.remove(); resolve(shards.get(number)); };
        script.onerror = () => { waiting.delete(number); reject(new Error(script.src)); };
        document.head.append(script);
      }));
    }
    return waiting.get(number);
  }
  window.shard = (number, items) => { shards.set(number, items); };

  async function textOf(item) {
    const number = shardOf(item);
    return (await load(number))[item - index.shards[number]];
  }

  // Filters ----------------------------------------------------------------------
  const rounds = [...new Set(index.round)].sort((a, b) => a - b);
  const choices = {
    run: index.runs, split: index.splits, kind: index.kinds, verdict: index.verdicts, reason: index.reasons,
    label: index.labels, round: null,
  };
  function fill() {
    for (const [name, values] of Object.entries(choices)) {
      const select = form.elements[name];
      select.append(element("option", { value: "" }, "all"));
      if (name === "round") {
        for (const number of rounds) select.append(element("option", { value: number }, number ? `round ${number}` : "base model"));
      } else {
        const used = name === "label" ? null : new Set(name === "split" ? index.split : index[name]);
        values.forEach((value, place) => {
          if (!used || used.has(place)) select.append(element("option", { value: place }, ...visible(value || "(none)").map((part) => part.textContent ?? part)));
        });
      }
      if (name === "run" && index.runs.length < 2) select.closest("label").hidden = true;
    }
    form.elements.doubt.closest("label").hidden = index.evidence.length === 0;
  }

  // The state of the page is in its address, so that any view can be linked to.
  function state() {
    const given = new URLSearchParams(location.hash.slice(1));
    return location.hash.includes("=") ? given : null;
  }

  function read() {
    const given = state() ?? new URLSearchParams();
    for (const name of Object.keys(choices)) {
      const value = given.get(name) ?? "";
      const place = name === "label" && value !== "" ? index.labels.indexOf(value) : value;
      form.elements[name].value = place === -1 ? "" : String(place);
    }
    form.elements.text.value = given.get("text") ?? "";
    form.elements.media.checked = given.get("media") === "1";
    form.elements.doubt.checked = given.get("doubt") === "1";
    page = Math.max(0, (parseInt(given.get("page") ?? "1", 10) || 1) - 1);
    return given.get("q");
  }

  function write() {
    const given = new URLSearchParams();
    for (const name of Object.keys(choices)) {
      const value = form.elements[name].value;
      if (value !== "") given.set(name, name === "label" ? index.labels[value] : value);
    }
    if (form.elements.text.value) given.set("text", form.elements.text.value);
    if (form.elements.media.checked) given.set("media", "1");
    if (form.elements.doubt.checked) given.set("doubt", "1");
    if (page) given.set("page", page + 1);
    history.replaceState(null, "", `#${given.toString() || "examples"}`);
  }

  // Whether an answer is among those that are asked for.
  function matcher() {
    const wanted = ["run", "round", "kind", "verdict", "reason"]
      .filter((name) => form.elements[name].value !== "")
      .map((name) => [index[name], Number(form.elements[name].value)]);
    return (row) => wanted.every(([column, value]) => column[row] === value);
  }

  // The least evidence of the answers to a question that are asked for; without any it comes last.
  function evidence(item, matches) {
    let least = Infinity;
    for (let row = index.starts[item]; row < index.starts[item + 1]; row++) {
      if (matches(row)) least = Math.min(least, index.evidence[row] ?? Infinity);
    }
    return least;
  }

  async function select(only) {
    const mine = ++drawn;
    list.ariaBusy = "true";
    if (only !== null && only !== undefined) {
      found = [index.ids.indexOf(only)].filter((item) => item >= 0);
      await draw(mine, found.length ? "1 question, from its link" : "This report has no question with that link");
      return;
    }
    const label = form.elements.label.value, split = form.elements.split.value, media = form.elements.media.checked;
    const matches = matcher(), text = form.elements.text.value.toLowerCase();
    let items = [];
    for (let item = 0; item < index.ids.length; item++) {
      if (label !== "" && index.label[item] !== Number(label)) continue;
      if (split !== "" && index.split[item] !== Number(split)) continue;
      if (media && !index.media[item]) continue;
      for (let row = index.starts[item]; row < index.starts[item + 1]; row++) {
        if (matches(row)) { items.push(item); break; }
      }
    }
    if (text) items = await search(items, text, matches, mine);
    if (mine !== drawn) return;
    if (!text && !media) items = [...items.filter((item) => index.media[item]), ...items.filter((item) => !index.media[item])];
    if (form.elements.doubt.checked && index.evidence.length) {
      const least = new Map(items.map((item) => [item, evidence(item, matches)]));
      items.sort((a, b) => least.get(a) - least.get(b) || 0);  // two without evidence: NaN
    }
    found = items;
    await draw(mine, `${found.length.toLocaleString("en")} of ${index.ids.length.toLocaleString("en")} questions`);
  }

  async function search(items, text, matches, mine) {
    const hits = [];
    for (const [place, item] of items.entries()) {
      const number = shardOf(item);
      if (!shards.has(number)) {
        count.textContent = `Searching: ${Math.round((100 * place) / items.length)} %`;
        await load(number);
        if (mine !== drawn) return [];
      }
      const [, question, videos, , rows] = shards.get(number)[item - index.shards[number]];
      const first = index.starts[item];
      if (question.toLowerCase().includes(text) || videos.some((video) => video.toLowerCase().includes(text)) ||
          rows.some(([, parts], row) => matches(first + row) && parts.join("").toLowerCase().includes(text))) hits.push(item);
    }
    return hits;
  }

  // Items ----------------------------------------------------------------------
  async function draw(mine, summary) {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(page, pages - 1);
    const items = found.slice(page * PAGE, (page + 1) * PAGE);
    let texts;
    try {
      texts = await Promise.all(items.map(textOf));
    } catch (error) {
      list.replaceChildren(element("p", { className: "warning" }, `A file of this report is missing: ${error.message}`));
      list.ariaBusy = "false";
      return;
    }
    if (mine !== drawn) return;
    const matches = matcher();
    list.replaceChildren(...items.map((item, place) => article(item, texts[place], matches)));
    count.textContent = summary;
    list.ariaBusy = "false";
    for (const shown of document.querySelectorAll(".page")) shown.textContent = `Page ${page + 1} of ${pages}`;
    for (const button of document.querySelectorAll(".pager [data-step]")) {
      const next = page + Number(button.dataset.step);
      button.disabled = next < 0 || next >= pages;
    }
  }

  function article(item, [label, question, videos, media, rows], matches) {
    const first = index.starts[item];
    const head = element("h3", {},
      element("span", {}, ...visible(label)),
      element("span", { className: "quiet" }, ...visible(`${index.splits[index.split[item]]} · ${videos.join(", ")}`)),
      element("a", { href: `#q=${encodeURIComponent(index.ids[item])}`, className: "permalink", ariaLabel: "Link to this question" }, "link"));
    const answers = rows.map((row, place) => answer(row, first + place, matches(first + place)));
    return element("article", { className: "item", id: `item-${item}` }, head, ...media.map(pictures),
      element("p", { className: "question" }, ...visible(question)), element("ol", { className: "answers" }, ...answers));
  }

  function pictures({ video, strip, size: [width, height], times, film }) {
    const frames = times.map((time, place) => {
      const image = element("img", { src: strip, width, height, loading: "lazy", alt: `frame at ${time.toFixed(2)} s` });
      image.style.objectPosition = `-${place * width}px 0`;
      return element("li", {}, image, `${time.toFixed(2)} s`);
    });
    const shown = [element("ol", { className: "frames", ariaLabel: "Frames that the model saw" }, ...frames)];
    if (film) shown.push(element("video", { src: film, controls: true, preload: "metadata", muted: true, loop: true, playsInline: true, ariaLabel: `Video ${video}` }));
    return element("div", { className: "seen" }, ...shown);
  }

  function answer([number, parts, stored, confidence, rightUnder], row, matches) {
    const verdict = index.verdicts[index.verdict[row]], good = ["kept", "right", "right, not kept"].includes(verdict);
    const round = index.round[row] ? `round ${index.round[row]}` : "base model";
    const about = [index.runs.length > 1 ? index.runs[index.run[row]] : "", round, index.kinds[index.kind[row]], number ? `try ${number + 1}` : ""];
    if (confidence !== null) about.push(`probability ${confidence.toFixed(2)}`);
    if ((index.evidence[row] ?? null) !== null) about.push(`evidence ${index.evidence[row].toFixed(2)}`);
    if (rightUnder.length) about.push(`also right ${rightUnder.map((name) => ({ blind: "without the video" })[name] ?? `under the control ${name}`).join(" and ")}`);
    const reason = index.reasons[index.reason[row]];
    const text = element("p", { className: "text", dir: "auto" });
    show(text, parts, LONG);
    const shown = element("li", { className: matches ? "" : "other" },
      element("div", { className: "about" }, ...visible(about.filter(Boolean).join(" · ")), " · ",
        element("span", { className: `verdict ${good ? "good" : "bad"}` }, verdict), ...visible(reason && reason !== "matched" ? `: ${reason}` : "")),
      text);
    if (stored) shown.append(element("p", { className: "text quiet", dir: "auto" }, "stored as: ", ...visible(stored.slice(0, LONG))));
    return shown;
  }

  function show(target, parts, limit) {
    const pieces = [];
    let left = limit;
    for (const [place, part] of parts.entries()) {
      const cut = part.slice(0, left);
      pieces.push(...(place % 2 ? [element("mark", {}, ...visible(cut))] : visible(cut)));
      left -= cut.length;
      if (left <= 0) break;
    }
    target.replaceChildren(...pieces);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > limit) {
      const more = element("button", { type: "button", className: "reset" }, `Show all ${length.toLocaleString("en")} characters`);
      more.addEventListener("click", () => show(target, parts, Infinity));
      target.append(" … ", more);
    }
  }

  // Tables -----------------------------------------------------------------------
  function sort(button) {
    const header = button.closest("th"), table = button.closest("table"), column = header.cellIndex;
    const descending = header.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[column], value = cell.dataset.value ?? cell.textContent.trim(), number = Number.parseFloat(value);
      return Number.isNaN(number) ? value : number;
    };
    const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));
    if (descending) rows.reverse();
    table.tBodies[0].append(...rows.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  // Events -----------------------------------------------------------------------
  async function follow() {
    if (location.hash && state() === null && drawn) return; // a place in the page
    const linked = state() !== null;
    await select(read());
    if (linked) document.getElementById("examples").scrollIntoView();
  }
  let typing = 0;
  function changed() {
    page = 0;
    write();
    select();
  }
  fill();
  for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sort(button));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", changed);
  form.elements.text.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(changed, 250); });
  for (const button of document.querySelectorAll(".pager [data-step]")) {
    button.addEventListener("click", () => { page += Number(button.dataset.step); write(); select(); count.scrollIntoView(); });
  }
  for (const button of document.querySelectorAll(".pager .reset")) {
    button.addEventListener("click", () => { history.replaceState(null, "", "#examples"); read(); select(); });
  }
  window.addEventListener("hashchange", follow);
  follow();
})();
