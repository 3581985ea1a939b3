"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Pictures stay text until their variant is opened: a page of hundreds opens at once.
  let shared = null;
  const show = (details) => {
    const waiting = all("img[data-image]", details);
    if (!waiting.length) return;
    shared ??= JSON.parse(byId("images-shared").textContent);
    const block = all("script[data-images]").find((s) => s.dataset.images === details.id);
    const own = block ? JSON.parse(block.textContent) : {};
    for (const image of waiting) {
      const data = own[image.dataset.image] ?? shared[image.dataset.image];
      image.loading = "lazy";
      image.decoding = "async";
      if (data) image.src = "data:image/png;base64," + data;
      image.removeAttribute("data-image");
    }
  };
  const variants = all("details.variant");
  for (const details of variants) {
    details.addEventListener("toggle", () => details.open && show(details));
    if (details.open) show(details);
  }

  document.addEventListener("input", ({ target }) => {
    if (target.type !== "range") return;
    const stage = target.closest("figure").querySelector(".stage");
    stage.style.setProperty("--at", target.value + "%");
    target.setAttribute("aria-valuetext", `${target.value} % float32`);
  });

  // A link into a closed variant opens it.
  const follow = () => {
    const target = byId(location.hash.slice(1));
    if (target?.matches("details.variant")) {
      target.open = true;
      target.scrollIntoView();
      target.querySelector("summary").focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    // The same link a second time changes no hash.
    const link = event.target.closest?.("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  follow();

  for (const button of all("button[data-all]")) {
    button.addEventListener("click", () => {
      const open = button.dataset.all === "open";
      for (const details of all("details.variant:not([hidden])", button.closest(".run"))) details.open = open;
    });
  }

  const sort = (heading) => {
    const table = heading.closest("table");
    const column = [...heading.parentNode.children].indexOf(heading);
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentNode.children) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [row.children[column].dataset.key, row]);
    const numeric = rows.every(([key]) => key === "" || !Number.isNaN(Number(key)));
    rows.sort(([one], [other]) => {
      if (one === "" || other === "") return (one === "") - (other === ""); // nothing known: always last
      const order = numeric ? one - other : one.localeCompare(other, "en", { numeric: true });
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const heading of all("table.results thead th")) {
    heading.querySelector("button").addEventListener("click", () => sort(heading));
  }

  const rows = all("table.results tbody tr");
  const places = new Map(rows.map((row) => [row.dataset.for, [row]]));
  for (const place of [...all("li.rung[data-for]"), ...variants]) {
    places.get(place.dataset.for ?? place.id)?.push(place);
  }
  const chips = all("button.chip");
  const filter = byId("filter");
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.status);
    let count = 0;
    for (const row of rows) {
      const text = row.dataset.text.toLowerCase();
      const has = row.dataset.statuses.split("|");
      const shown = words.every((w) => text.includes(w)) && (!wanted.length || wanted.some((w) => has.includes(w)));
      count += shown;
      for (const place of places.get(row.dataset.for)) place.hidden = !shown;
    }
    byId("shown").textContent = count === rows.length ? `${count} variants` : `${count} of ${rows.length} variants`;
  };
  filter.addEventListener("input", apply);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  }
  apply();

  // On paper nothing can be opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = variants.filter((d) => !d.open && !d.hidden);
    if (closed.length > 20) closed = [];
    for (const details of closed) {
      details.open = true;
      show(details);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
})();
