// What makes the pages quick. Without it every link and form works all the same, by loading a page.
"use strict";

const main = () => document.getElementById("main");
const typing = (node) => node.matches("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
let asked = 0;

// Fetch a page and put its main part, or the part that `part` names, in place of ours.
async function swap(url, options = {}, part = "main") {
  const mine = ++asked;
  const here = document.activeElement?.id;
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { credentials: "same-origin", ...options });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked) return;
    const fresh = page.getElementById(part);
    const old = document.getElementById(part);
    if (!fresh || !old || answer.url.startsWith(`${location.origin}/sign-in`)) {
      location.assign(answer.url);
      return;
    }
    old.replaceWith(document.adoptNode(fresh));
    document.title = page.title;
    for (const list of ["places", "languages"]) {
      const next = page.querySelector(`.${list}`);
      if (next) document.querySelector(`.${list}`)?.replaceWith(document.adoptNode(next));
    }
    const notice = document.querySelector(".notice");
    if (notice) notice.focus();
    else if (here) document.getElementById(here)?.focus();
    shown = new URL(answer.url).pathname + new URL(answer.url).search;
    return answer.url;
  } catch {
    location.assign(url);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

const ours = (url) => url.origin === location.origin;
const query = (form) => new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const url = new URL(link.href);
  if (!ours(url)) return;
  event.preventDefault();
  swap(url, {}, link.dataset.swap || "main").then((at) => at && history.pushState(null, "", at));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sure && !window.confirm(form.dataset.sure)) { event.preventDefault(); return; }
  if (!("swap" in form.dataset)) return;
  event.preventDefault();
  const part = form.dataset.swap || "main";
  if (form.method === "get") {
    const url = `${new URL(form.action).pathname}?${query(form)}`;
    swap(url, {}, part).then((at) => at && history.replaceState(null, "", at));
  } else {
    const sent = new FormData(form, event.submitter);
    swap(form.action, { method: "POST", body: new URLSearchParams(sent) }, part)
      .then((at) => at && history.replaceState(null, "", at));
  }
});

// Filters work as they are set: a choice at once, a word when the typing pauses.
let pause;
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    for (const box of document.querySelectorAll(`input[name="${event.target.dataset.all}"]`)) box.checked = event.target.checked;
  }
  const form = event.target.closest("form[data-live]");
  if (form && event.target.tagName === "SELECT") form.requestSubmit();
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live]");
  if (!form || !typing(event.target) || event.target.tagName === "SELECT") return;
  clearTimeout(pause);
  pause = setTimeout(() => form.requestSubmit(), 250);
});

// A step to another part of the same page is no other page.
const place = () => location.pathname + location.search;
let shown = place();
window.addEventListener("popstate", () => { if (place() !== shown) swap(location.href); shown = place(); });

// Keys: only outside of fields, and only while they are on (a key may mean something else to a screen reader).
const on = () => localStorage.getItem("keys") !== "off";
let went = 0;

function step(by) {
  const items = [...document.querySelectorAll("[data-item]")];
  if (!items.length) return;
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const next = items[Math.min(items.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  (next.querySelector("a") || next).focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = document.activeElement?.closest("details[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
    else document.querySelector(".notice [data-close]")?.click();
    return;
  }
  if (!on() || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (Date.now() - went < 1200) {
    went = 0;
    const link = document.querySelector(`.places a[data-go="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); return; }
  }
  const press = (name) => {
    const item = document.activeElement?.closest("[data-item]");
    const button = item?.querySelector(`[data-key="${name}"]`);
    if (button) { event.preventDefault(); button.tagName === "DETAILS" ? open(button) : button.click(); }
  };
  const open = (details) => { details.open = true; details.querySelector("input, select, textarea, button")?.focus(); };
  if (event.key === "/") { event.preventDefault(); (document.querySelector("[data-find]") ?? document.getElementById("find"))?.focus(); }
  else if (event.key === "g") went = Date.now();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "u") document.querySelector(".notice [data-undo]")?.click();
  else if (event.key === "?") document.getElementById("keys")?.showModal?.();
  else if ("cdsnr".includes(event.key)) press(event.key);
});

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close]");
  if (close) { event.preventDefault(); (close.closest("dialog")?.close() ?? close.closest(".notice")?.remove()); main().focus(); }
  const asks = event.target.closest("[data-dialog]");
  if (asks) document.getElementById(asks.dataset.dialog)?.showModal();
  if (event.target.matches("[data-keys]")) localStorage.setItem("keys", event.target.checked ? "on" : "off");
  for (const details of document.querySelectorAll("details.menu[open]")) if (!details.contains(event.target)) details.open = false;
});
const keys = document.querySelector("[data-keys]");
if (keys) keys.checked = on();
document.documentElement.classList.add("js");
