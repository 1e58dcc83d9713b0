"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const printing = matchMedia("print");

  // Colors: "@name" in a figure stands for the custom property "--name", "@band-0" for a faint "--mode-0".
  const color = (name) => {
    const band = name.startsWith("band-");
    const value = getComputedStyle(root).getPropertyValue(`--${band ? name.replace("band", "mode") : name}`).trim();
    return band ? value + "1f" : value;
  };
  const painted = (node) => {
    if (typeof node === "string") return node.startsWith("@") ? color(node.slice(1)) : node;
    if (Array.isArray(node)) return node.map(painted);
    if (node && typeof node === "object") {
      return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, painted(value)]));
    }
    return node;
  };
  const draw = () => {
    for (const [id, figure] of Object.entries(figures)) {
      const place = document.getElementById(id);
      if (!place) continue;
      const { data, layout } = painted(figure);
      Plotly.react(place, data, layout, { responsive: true, displayModeBar: false, displaylogo: false });
    }
  };
  draw();
  dark.addEventListener("change", draw);

  // Definitions: pointing at a term, focusing or tapping it shows what the glossary says.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (term) => {
    const said = document.getElementById(term.getAttribute("aria-describedby"));
    if (!said) return;
    tip.textContent = said.textContent;
    tip.hidden = false;
    const box = term.getBoundingClientRect();
    const left = Math.max(12, Math.min(box.left, innerWidth - tip.offsetWidth - 12));
    const below = box.bottom + 8;
    const top = below + tip.offsetHeight > innerHeight - 8 ? box.top - tip.offsetHeight - 8 : below;
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(8, top)}px`;
  };
  for (const term of document.querySelectorAll(".term")) {
    term.addEventListener("mouseenter", () => show(term));
    term.addEventListener("focus", () => show(term));
    term.addEventListener("click", () => show(term));
    term.addEventListener("mouseleave", hide);
    term.addEventListener("blur", hide);
  }
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // Claims: buttons switch a status off and on, the box searches the text of a row.
  const rows = [...document.querySelectorAll(".claims tbody tr[data-status]")];
  const groups = [...document.querySelectorAll(".claims tbody tr.group")];
  const buttons = [...document.querySelectorAll(".filters button")];
  const search = document.getElementById("claim-search");
  const filter = () => {
    const on = new Set(buttons.filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => b.dataset.status));
    const words = search.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = !on.has(row.dataset.status) || !row.textContent.toLowerCase().includes(words);
    }
    for (const group of groups) {
      group.hidden = !rows.some((row) => !row.hidden && row.dataset.section === group.dataset.section);
    }
    document.getElementById("claim-count").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  if (search) {
    search.addEventListener("input", filter);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        filter();
      });
    }
  }

  // Paper shows everything: all rows, all details.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    for (const row of [...rows, ...groups]) row.hidden = false;
  });
  printing.addEventListener("change", draw);
})();
