// The table of everything: one row for each setting, sorted and turned over a page at a time, with the
// trials of a setting and their full specifications one click away.
(() => {
  "use strict";
  const box = document.getElementById("results");
  if (!report.data || !box) return;
  const page_size = 50;

  const percent = (value) => value === null ? "\u2013"
    : (value >= 1 ? "100" : Math.min(99.9, Math.round(value * 1000) / 10)) + "\u00a0%";
  const count = (value) => value === null ? "\u2013" : String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const rate = (value) => value.toExponential().replace("+", "");
  function time(seconds) {
    if (seconds < 60) return seconds.toFixed(seconds < 10 ? 1 : 0) + "\u00a0s";
    if (seconds < 3600) return Math.round(seconds / 60) + "\u00a0min";
    return (seconds / 3600).toFixed(1) + "\u00a0h";
  }
  function remarks(row) {
    return [["diverged", row.diverged], ["failed", row.failed], ["not finished", row.unfinished]]
      .filter(([, n]) => n > 0).map(([what, n]) => `${n} ${what}`).join(", ");
  }

  const several_tasks = new Set(report.table("settings").map((row) => row.task)).size > 1;
  // name, title, what is shown, what a pointer is told, whether it is text
  const columns = [
    ["model", "model", (row) => row.model, null, true],
    ...(several_tasks ? [["task", "task", (row) => row.task, null, true]] : []),
    ["length", "length", (row) => count(row.length)],
    ["width", "width", (row) => count(row.width)],
    ["state_bits", "state bits", (row) => count(row.state_bits)],
    ["parameters", "parameters", (row) => count(row.parameters)],
    ["lr", "learning rate", (row) => rate(row.lr),
     (row) => row.lr_min === null ? null : `rates that work: ${rate(row.lr_min)} to ${rate(row.lr_max)}`],
    ["solved", "solved", (row) => `${row.solved}/${row.seeds}`,
     (row) => `chance to solve it: ${percent(row.solved_low)} to ${percent(row.solved_high)} (Wilson, 95 %)`],
    ["accuracy", "token accuracy", (row) => percent(row.accuracy),
     (row) => `${percent(row.accuracy_min)} to ${percent(row.accuracy_max)}; chance ${percent(row.chance)}`],
    ["sequence", "sequence accuracy", (row) => percent(row.sequence),
     (row) => `${percent(row.sequence_min)} to ${percent(row.sequence_max)}`],
    ["scaled", "scaled accuracy", (row) => row.scaled === null ? "\u2013" : row.scaled.toFixed(3)],
    ["steps", "steps to solve", (row) => row.steps === null ? "\u2013" : count(Math.round(row.steps))],
    ["seconds", "time", (row) => time(row.seconds)],
    ["remarks", "remarks", remarks, null, true],
  ];

  function element(name, text, properties = {}) {
    const made = document.createElement(name);
    if (text !== null) made.textContent = text;  // never innerHTML: it comes from the store
    return Object.assign(made, properties);
  }
  const link_to = (changes) => {
    const params = report.address();
    for (const [name, value] of Object.entries(changes)) params.set(name, value);
    return "#" + params;
  };

  function sorted(rows) {
    const wanted = report.chosen("sort")[0] ?? "";
    const name = wanted.replace(/^-/, ""), sign = wanted.startsWith("-") ? -1 : 1;
    if (!columns.some((column) => column[0] === name)) return rows;
    const key = name === "remarks" ? remarks : (row) => row[name];
    return [...rows].sort((one, other) => {
      const a = key(one), b = key(other);
      if (a === null || b === null) return (a === null) - (b === null);  // what is unknown comes last
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    });
  }

  function head() {
    const row = element("tr", null), wanted = report.chosen("sort")[0] ?? "";
    for (const [name, title, , , is_text] of columns) {
      const cell = element("th", null, { scope: "col", className: is_text ? "text" : "" });
      const down = wanted === "-" + name, up = wanted === name;
      cell.setAttribute("aria-sort", up ? "ascending" : down ? "descending" : "none");
      cell.append(report.button(title + (up ? " \u2191" : down ? " \u2193" : ""), "sort by this",
        () => report.choose({ sort: is_text ? (up ? "-" + name : name) : (down ? name : "-" + name), page: null })));
      row.append(cell);
    }
    row.append(element("th", "trials", { scope: "col" }));
    const part = element("thead", null);
    part.append(row);
    return part;
  }

  // The trials of a setting, each with a link to its specification.
  function trials_row(setting) {
    const row = element("tr", null, { className: "trials" });
    const cell = element("td", null, { colSpan: columns.length + 1 }), all = element("ul", null);
    for (const trial of report.rows_of("trials", setting.setting)) {
      const item = element("li", null);
      item.append(element("span", `seed ${trial.seed}: ${trial.outcome}`));
      if (trial.accuracy !== null)
        item.append(element("span", `${percent(trial.accuracy)} after ${count(trial.step)} steps, ${time(trial.seconds)}`));
      item.append(element("a", "specification " + trial.id.slice(0, 12), { href: link_to({ trial: trial.id }) }));
      if (trial.error) item.append(element("code", trial.error));
      all.append(item);
    }
    cell.append(all);
    row.append(cell);
    return row;
  }

  const open = new Set();  // settings whose trials are listed
  function body(rows) {
    const part = element("tbody", null);
    for (const setting of rows) {
      const row = element("tr", null, { className: setting.works ? "solved" : "" });
      columns.forEach(([name, , show, tell, is_text], i) => {
        const cell = element(i === 0 ? "th" : "td", show(setting), { className: is_text ? "text" : name });
        if (i === 0) cell.scope = "row";
        if (tell && tell(setting)) cell.title = tell(setting);
        row.append(cell);
      });
      const more = element("td", null), is_open = open.has(setting.setting);
      const toggle = report.button(is_open ? "hide" : "show", "list the trials of this row", () => {
        is_open ? open.delete(setting.setting) : open.add(setting.setting);
        draw();
      });
      toggle.setAttribute("aria-expanded", String(is_open));
      more.append(toggle);
      row.append(more);
      part.append(row);
      if (is_open) part.append(trials_row(setting));
    }
    return part;
  }

  function turning(pages, page, total) {
    const bar = element("div", null, { className: "turn" });
    const all = report.chosen("rows")[0] === "all";
    const rates = report.button(all ? "Best learning rates only" : "All learning rates", "which rows there are",
                                () => report.choose({ rows: all ? null : "all", page: null }));
    bar.append(element("span", `${count(total)} ${all ? "settings" : "settings at their best learning rates"}`), rates,
               report.button("CSV", "Save these rows", () => report.save("table.csv", "text/csv", report.csv(rows()))));
    if (pages > 1) {
      const back = report.button("Previous", "", () => report.choose({ page: String(page - 1) }));
      const on = report.button("Next", "", () => report.choose({ page: String(page + 1) }));
      back.disabled = page <= 1;
      on.disabled = page >= pages;
      bar.append(back, element("span", `page ${page} of ${pages}`), on);
    }
    return bar;
  }

  function specification() {
    const id = report.chosen("trial")[0];
    const trial = id && report.table("trials").find((each) => each.id === id);
    if (!trial) return null;
    const part = element("div", null, { className: "specification" });
    part.append(element("h3", "Trial " + trial.id), element("p",
      `${report.table("settings")[trial.setting].model}, seed ${trial.seed}: ${trial.outcome}`),
      report.button("Close", "", () => report.choose({ trial: null })),
      element("pre", JSON.stringify(report.spec_of(trial), null, 2)));
    return part;
  }

  function rows() {
    const all = report.chosen("rows")[0] === "all";
    return sorted(report.shown().filter((row) => all || row.best));
  }

  let told = null;
  function draw(size = page_size) {
    const found = rows();
    const pages = Math.max(1, Math.ceil(found.length / size));
    const page = Math.min(pages, Math.max(1, Number.parseInt(report.chosen("page")[0] ?? "1", 10) || 1));
    const table = element("table", null, { className: "runs" });
    table.append(head(), body(found.slice((page - 1) * size, page * size)));
    const scroll = element("div", null, { className: "scroll", tabIndex: 0 });
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "What was run");
    scroll.append(table);
    const spec = specification(), left = box.querySelector(".scroll")?.scrollLeft ?? 0;
    box.replaceChildren(turning(pages, page, found.length), scroll, ...(spec ? [spec] : []));
    scroll.scrollLeft = left;
    const id = report.chosen("trial")[0] ?? null;
    if (spec && id !== told) spec.scrollIntoView({ block: "start" });
    told = id;
  }
  report.listeners.push(() => draw());
  draw();
  addEventListener("beforeprint", () => draw(400));
  addEventListener("afterprint", () => draw());
})();
