// Draws the page's charts: each .chart names the element that holds its Vega-Lite specification, with
// its data inline or named. Colours come from report.css, so that light, dark and print have one
// source. A chart is drawn when it comes near the screen, and again when the filters change.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 560px)");
  const views = new Map(), specs = new Map(), stale = new Set();
  const most_panels = 24, axis_room = 66, gap = 20;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const list = (name) => css(name).split(/\s+/);

  // n colours from first to last of a list of #rrggbb, mixed where there are more than it has.
  function spread(colors, n) {
    const parts = colors.map((color) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16)));
    return Array.from({ length: n }, (_, i) => {
      const place = n < 2 ? 2 : i * (colors.length - 1) / (n - 1);
      const low = Math.floor(place), high = Math.ceil(place);
      const mixed = parts[low].map((part, k) => Math.round(part + (place - low) * (parts[high][k] - part)));
      return "#" + mixed.map((part) => part.toString(16).padStart(2, "0")).join("");
    });
  }

  function theme() {
    const ink = css("--ink"), quiet = css("--quiet"), good = css("--good");
    return {
      background: "transparent",
      font: css("--sans"),
      range: { category: list("--models"), heatmap: list("--fields") },
      axis: {
        labelColor: quiet, titleColor: ink, gridColor: css("--grid"),
        domainColor: css("--axis"), tickColor: css("--axis"),
      },
      header: { labelColor: ink },
      legend: { labelColor: ink, titleColor: quiet, symbolBaseStrokeColor: quiet },
      style: {
        "bound": { color: ink },
        "bound-label": { color: ink },
        "ceiling": { color: quiet },
        "beyond": { color: css("--beyond") },
        "chance": { color: quiet },
        "quiet-label": { color: quiet },
        "certified": { color: good, stroke: css("--paper") },
        "certified-label": { color: good },
        "unfinished": { stroke: quiet },
        "on-low": { color: css("--on-low") },
        "on-high": { color: css("--on-high") },
      },
    };
  }

  function merged(base, over) {
    if (!base || typeof base !== "object" || Array.isArray(base) || Array.isArray(over) ||
        typeof over !== "object") return over;
    const out = { ...base };
    for (const key of Object.keys(over)) out[key] = key in out ? merged(out[key], over[key]) : over[key];
    return out;
  }

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);

  function tooltip(handler, event, item, value) {
    if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
    const rows = typeof value === "object" ? Object.entries(value) : [["", value]];
    tip.replaceChildren(...rows.map(([name, text]) => {
      const row = document.createElement("div");
      const key = document.createElement("span"), val = document.createElement("b");
      key.textContent = name;  // never innerHTML: names and values come from the store
      val.textContent = text === "null" || text === "undefined" || text === "NaN" ? "\u2013" : String(text);
      row.append(key, val);
      return row;
    }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect(), edge = 8, off = 14;
    let x = event.clientX + off, y = event.clientY + off;
    if (x + box.width + edge > innerWidth) x = event.clientX - off - box.width;
    if (y + box.height + edge > innerHeight) y = event.clientY - off - box.height;
    tip.style.left = Math.max(edge, x) + "px";
    tip.style.top = Math.max(edge, y) + "px";
  }

  function spec_of(box) {
    if (!specs.has(box)) specs.set(box, JSON.parse(document.getElementById(box.dataset.spec).textContent));
    return structuredClone(specs.get(box));
  }

  // What a chart shows of the filtered settings: its rows, its panels and what is left out.
  function content(spec, task) {
    const { panels: by, needs, best } = spec.usermeta;
    const name = spec.data.name;
    const key_of = (row) => JSON.stringify(by.map((field) => row[field]));
    let settings = report.shown().filter((setting) => setting.task === task && (!best || setting.best) &&
      needs.every((field) => setting[field] !== null));
    if (name !== "settings" && name !== "measured")
      settings = settings.filter((setting) => report.rows_of(name, setting.setting).length > 0);
    const panels = [...new Set(settings.map(key_of))];
    const kept = new Set(panels.slice(0, most_panels));
    settings = settings.filter((setting) => kept.has(key_of(setting)));
    const lengths = new Set(settings.map((setting) => setting.length));
    const datasets = { settings };
    if (name === "measured")
      datasets.measured = report.table("marks").filter((mark) => mark.task === task && lengths.has(mark.length))
        .concat(settings);
    else if (name !== "settings")
      datasets[name] = settings.flatMap((setting) => report.rows_of(name, setting.setting));
    return { settings, datasets, panels: kept.size, left_out: panels.length - kept.size };
  }

  // The panels side by side that the width has room for.
  function lay_out(spec, shown, room) {
    const { least_width: least, step } = spec.usermeta;
    if (step) {
      const fields = new Set(shown.settings.map((setting) => setting.length)).size;
      const fit = Math.max(16, Math.min(step, Math.floor((room - axis_room - 6) / fields)));
      const one = fit * fields + axis_room;
      spec.columns = Math.max(1, Math.min(shown.panels, Math.floor((room + gap) / (one + gap))));
      spec.spec.width = { step: fit };
      if (fit < 26) spec.spec.layer = spec.spec.layer.filter((layer) => layer.mark.type !== "text");
      return;
    }
    const most = Math.max(1, Math.floor((room + gap) / (least + axis_room + gap)));
    spec.columns = Math.min(shown.panels, most);
    const width = Math.floor((room - 8 - spec.columns * axis_room - (spec.columns - 1) * gap) / spec.columns);
    spec.spec.width = Math.min(width, spec.columns === 1 ? 760 : 420);
    if (spec.columns === 1 && shown.panels === 1) spec.spec.height = Math.max(spec.spec.height, 280);
  }

  // Legends list what is there; blues are spread over the widths there are.
  function narrow_legends(spec, shown, colors, room) {
    const seen = { model: new Set(), width: new Set() };
    for (const setting of shown.settings) for (const field in seen) seen[field].add(setting[field]);
    let longest = 0;
    (function visit(value) {
      if (!value || typeof value !== "object") return;
      const legend = value.legend, values = seen[value.field];
      if (legend && values && value.scale?.domain) {
        legend.values = value.scale.domain.filter((each) => values.has(each));
        longest = Math.max(longest, ...legend.values.map((each) => String(each).length));
        if (value.field === "width") spec.config.range.ordinal = spread(colors, value.scale.domain.length);
      }
      Object.values(value).forEach(visit);
    })(spec.spec);
    spec.config.legend = { ...spec.config.legend,
                           columns: Math.max(1, Math.floor((room - 60) / (longest * 7.5 + 46))) };
  }

  // The specification with data, sizes and colours; null when the filters leave nothing.
  function prepared(box, colored) {
    const spec = spec_of(box), room = box.clientWidth;
    let shown = null;
    if (spec.data?.name) {
      shown = content(spec, box.dataset.task);
      if (shown.settings.length === 0) return { spec: null, shown };
      spec.datasets = shown.datasets;
      lay_out(spec, shown, room);
    }
    const blues = colored ? list("--widths") : spec.config.range.ordinal;
    if (colored) {
      const colors = theme();
      if (!shown && spec.config.range.ordinal)
        colors.range.ordinal = spread(blues, spec.config.range.ordinal.length);
      spec.config = merged(spec.config, colors);
      if (narrow.matches && !shown)
        spec.config.legend.layout = { top: { direction: "vertical", anchor: "start", margin: 4 } };
    }
    if (shown) narrow_legends(spec, shown, blues, room);
    return { spec, shown };
  }

  const parsed = (spec) => vega.parse(vegaLite.compile(spec).spec);

  function draw(box) {
    stale.delete(box);
    const figure = box.closest("figure");
    views.get(box)?.finalize();
    box.replaceChildren();
    const { spec, shown } = prepared(box, true);
    const note = figure.querySelector(".left-out");
    if (note && shown) {
      note.hidden = spec !== null && shown.left_out === 0;
      note.textContent = spec === null ? "Nothing to show for this choice."
        : `The first ${shown.panels} of ${shown.panels + shown.left_out} panels: choose a model or length above to see others.`;
    }
    box.classList.toggle("nothing", spec === null);
    for (const each of figure.querySelectorAll(".save button")) each.disabled = spec === null;
    if (spec === null) return;
    const view = new vega.View(parsed(spec), {
      renderer: "svg", container: box, hover: true, tooltip, logLevel: vega.Warn,
    });
    views.set(box, view);
    view.run();
  }

  // As the file would be printed: light colours on white, whatever the screen is.
  async function picture(box, type) {
    const { spec } = prepared(box, false);
    if (spec.spec === undefined) spec.width = box.clientWidth;
    const view = new vega.View(parsed(spec), { renderer: "none", logLevel: vega.Warn });
    const name = box.closest("figure").id + "." + type;
    if (type === "svg") report.save(name, "image/svg+xml", await view.toSVG());
    else report.save(name, "image/png", (await view.toCanvas(2)).toDataURL("image/png"));
    view.finalize();
  }

  function rows_for_csv(box) {
    const spec = spec_of(box);
    if (spec.data?.values) return spec.data.values;
    const { settings, datasets } = content(spec, box.dataset.task);
    if (spec.data.name === "settings") return settings;
    const of = new Map(settings.map((setting) => [setting.setting, setting]));
    return datasets[spec.data.name].map((row) => ({ ...row, ...of.get(row.setting) }));
  }

  const boxes = [...document.querySelectorAll(".chart")];
  for (const box of boxes) {
    const save = box.closest("figure").querySelector(".save");
    save?.append(
      report.button("SVG", "Save this figure as SVG", () => picture(box, "svg")),
      report.button("PNG", "Save this figure as PNG", () => picture(box, "png")),
      report.button("CSV", "Save the data of this figure", () =>
        report.save(box.closest("figure").id + ".csv", "text/csv", report.csv(rows_for_csv(box)))));
  }

  const near = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      isIntersecting ? near.add(target) : near.delete(target);
      if (isIntersecting && stale.has(target)) draw(target);
    }
  }, { rootMargin: "300px" });

  // All charts anew: those near the screen now, the others when they come near.
  function refresh() {
    tip.hidden = true;
    const tasks = report.data ? new Set(report.shown().map((setting) => setting.task)) : null;
    for (const part of document.querySelectorAll("[data-of-task]"))
      part.hidden = tasks !== null && !tasks.has(part.dataset.ofTask);
    for (const box of boxes) {
      stale.add(box);
      if (near.has(box)) draw(box);
    }
  }
  refresh();
  for (const box of boxes) observer.observe(box);
  let drawn = report.data && report.shown();
  report.listeners.push(() => {
    if (!report.data || report.shown() === drawn) return;  // the table was sorted or turned over
    drawn = report.shown();
    refresh();
  });
  dark.addEventListener("change", refresh);
  let room = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === room) return;  // a phone's address bar came or went
    room = innerWidth;
    clearTimeout(refresh.later);
    refresh.later = setTimeout(refresh, 150);
  });
  // Paper is light, whatever the screen is, and shows every chart.
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    tip.hidden = true;
    boxes.forEach(draw);
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    refresh();
  });
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
