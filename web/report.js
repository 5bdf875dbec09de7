// Draws the page's charts: each .chart names the element that holds its Vega-Lite specification.
// Colours come from report.css, so that light, dark and print have one source.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 560px)");
  const views = new Map();

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const list = (name) => css(name).split(/\s+/);

  // n colours from first to last of the list.
  const spread = (colors, n) =>
    Array.from({ length: n }, (_, i) => colors[n < 2 ? 2 : Math.floor(i * (colors.length - 1) / (n - 1))]);

  function theme(n_colors) {
    const ink = css("--ink"), quiet = css("--quiet"), good = css("--good");
    return {
      background: "transparent",
      font: css("--sans"),
      range: { category: list("--models"), ordinal: spread(list("--widths"), n_colors) },
      axis: {
        labelColor: quiet, titleColor: ink, gridColor: css("--grid"),
        domainColor: css("--axis"), tickColor: css("--axis"),
      },
      legend: {
        labelColor: ink, titleColor: quiet, symbolBaseStrokeColor: quiet,
        layout: { top: { direction: narrow.matches ? "vertical" : "horizontal", anchor: "start",
                         margin: narrow.matches ? 4 : 28 } },
      },
      style: {
        "bound": { color: ink },
        "bound-label": { color: ink },
        "ceiling": { color: quiet },
        "beyond": { color: css("--beyond") },
        "chance": { color: quiet },
        "quiet-label": { color: quiet },
        "certified": { color: good, stroke: css("--paper") },
        "certified-label": { color: good },
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
      val.textContent = String(text);
      row.append(key, val);
      return row;
    }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect(), edge = 8, gap = 14;
    let x = event.clientX + gap, y = event.clientY + gap;
    if (x + box.width + edge > innerWidth) x = event.clientX - gap - box.width;
    if (y + box.height + edge > innerHeight) y = event.clientY - gap - box.height;
    tip.style.left = Math.max(edge, x) + "px";
    tip.style.top = Math.max(edge, y) + "px";
  }

  function draw(box) {
    const spec = JSON.parse(document.getElementById(box.dataset.spec).textContent);
    spec.config = merged(spec.config, theme(spec.config.range.ordinal?.length ?? 0));
    views.get(box)?.finalize();
    box.replaceChildren();
    const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), {
      renderer: "svg", container: box, hover: true, tooltip, logLevel: vega.Warn,
    });
    views.set(box, view);
    view.run();
  }

  function drawAll() {
    tip.hidden = true;
    document.querySelectorAll(".chart").forEach(draw);
  }

  drawAll();
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  // Paper is light, whatever the screen is.
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    drawAll();
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    drawAll();
  });
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
