// The report's data and the filters that act on all of it. The address keeps the choice, so that a
// link shows the same: #model=lstm&length=20&sort=-accuracy. No data element: a page without filters.
const report = (() => {
  "use strict";
  const element = document.getElementById("report-data");
  const data = element ? JSON.parse(element.textContent) : null;
  const tables = new Map(), by_setting = new Map(), listeners = [];
  const filters = ["experiment", "task", "model", "length"];

  // A table as objects, made at first use.
  function table(name) {
    if (!tables.has(name)) {
      const { columns, words, text, rows } = data[name];
      const is_text = columns.map((column) => text.includes(column));
      tables.set(name, rows.map((row) => Object.fromEntries(
        columns.map((column, i) => [column, is_text[i] ? words[row[i]] : row[i]]))));
    }
    return tables.get(name);
  }

  // The rows of a table that belong to one setting.
  function rows_of(name, setting) {
    if (!by_setting.has(name)) by_setting.set(name, Map.groupBy ? Map.groupBy(table(name), (row) => row.setting)
                                                               : grouped(table(name)));
    return by_setting.get(name).get(setting) ?? [];
  }

  function grouped(rows) {
    const out = new Map();
    for (const row of rows) out.has(row.setting) ? out.get(row.setting).push(row) : out.set(row.setting, [row]);
    return out;
  }

  const address = () => new URLSearchParams(location.hash.slice(1));
  const chosen = (name) => address().getAll(name);

  // Replaces what the address says of a name; nothing chosen is everything.
  function choose(changes) {
    const params = address();
    for (const [name, values] of Object.entries(changes)) {
      params.delete(name);
      for (const value of [values].flat()) if (value !== null && value !== "") params.append(name, value);
    }
    const hash = params.toString();
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
    notify();
  }
  function notify() { for (const listener of listeners) listener(); }
  addEventListener("hashchange", notify);

  const experiments = data ? data.experiments : [];
  const value_of = {
    experiment: (setting) => setting.experiments.map((i) => experiments[i]),
    task: (setting) => [setting.task],
    model: (setting) => [setting.model],
    length: (setting) => [String(setting.length)],
  };

  function options(name) {
    const values = new Set(table("settings").flatMap(value_of[name]));
    return name === "length" ? [...values].sort((a, b) => a - b) : [...values];
  }

  let known = null, settings = [];
  // The settings that every filter lets through.
  function shown() {
    const wanted = filters.map((name) => [name, chosen(name)]).filter(([, values]) => values.length > 0);
    const key = JSON.stringify(wanted);
    if (key !== known) {
      known = key;
      settings = table("settings").filter((setting) => wanted.every(
        ([name, values]) => value_of[name](setting).some((value) => values.includes(value))));
    }
    return settings;
  }

  // A trial's specification: the parts that its setting shares with others, and what is its own.
  function spec_of(trial) {
    const { tasks, layers, models, trains, of } = data.specs;
    const [task, model, train] = of[trial.setting];
    const full = {
      ...tasks[task],
      model: { ...models[model], layers: models[model].layers.map((i) => layers[i]) },
      train: { ...trains[train], lr: table("settings")[trial.setting].lr },
      seed: trial.seed,
    };
    return sorted(full);
  }
  function sorted(value) {
    if (Array.isArray(value)) return value.map(sorted);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
  }

  function csv(rows) {
    const columns = [...new Set(rows.flatMap(Object.keys))];
    const field = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
    };
    return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
      .map((line) => line.map(field).join(",")).join("\n") + "\n";
  }

  function save(name, type, content) {
    const link = document.createElement("a");
    const url = content instanceof Blob || typeof content === "string" && !content.startsWith("data:")
      ? URL.createObjectURL(new Blob([content], { type })) : content;
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  function button(text, title, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.title = title;
    made.addEventListener("click", action);
    return made;
  }

  // One row of buttons for each filter that has a choice to offer.
  function make_filters(box) {
    for (const name of filters) {
      const values = options(name);
      if (values.length < 2) continue;
      const row = document.createElement("div");
      row.setAttribute("role", "group");
      row.setAttribute("aria-label", "show only this " + name);
      const label = document.createElement("span");
      label.textContent = name;
      const chips = document.createElement("div");
      chips.className = "chips";
      row.append(label, chips);
      for (const value of values)
        chips.append(button(value, "show or leave out", () => {
          const now = chosen(name);
          choose({ [name]: now.includes(value) ? now.filter((other) => other !== value) : [...now, value],
                   page: null });
        }));
      const update = () => {
        const now = chosen(name);
        for (const chip of chips.children) chip.setAttribute("aria-pressed", String(now.includes(chip.textContent)));
      };
      listeners.push(update);
      update();
      box.append(row);
    }
    const all = button("Show everything", "", () => choose(Object.fromEntries(filters.map((name) => [name, []]))));
    all.className = "everything";
    const update = () => { all.hidden = filters.every((name) => chosen(name).length === 0); };
    listeners.push(update);
    update();
    box.append(all);
    box.hidden = box.children.length < 2;
  }
  const box = document.getElementById("filters");
  if (data && box) make_filters(box);

  return { data, table, rows_of, shown, chosen, choose, listeners, spec_of, csv, save, button, address };
})();
