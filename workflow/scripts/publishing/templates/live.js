"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const { T, alpha_bar: alphaBar, size } = data, pixels = size * size;
const form = document.querySelector("form"), draw = form.querySelector("[type=submit]"), cancel = document.getElementById("cancel");
const another = document.getElementById("another");
const places = [...document.querySelectorAll("#pictures button")], source = document.getElementById("source");
const bar = document.querySelector("progress"), state = document.getElementById("status"), pace = document.getElementById("pace");
const images = places.map(() => null); // what each place shows, when it is a finished picture

// ---------------------------------------------------------------- what is shown

/** Text into every element that asks for it by data-show="name". */
function put(values) {
  for (const [name, text] of Object.entries(values))
    for (const place of document.querySelectorAll(`[data-show="${name}"]`)) place.textContent = text;
}

/** Show what has data-if="name" if `yes`, and hide it if not. */
function reveal(name, yes) {
  for (const place of document.querySelectorAll(`[data-if="${name}"]`)) place.hidden = !yes;
}

/** An image from -1, black, to 1, white; what lies beyond is clipped. */
function paint(canvas, image) {
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d"), shown = context.createImageData(size, size);
  image.forEach((value, i) => {
    const grey = Math.round((Math.min(1, Math.max(-1, value)) + 1) * 127.5);
    shown.data.set([grey, grey, grey, 255], 4 * i);
  });
  context.putImageData(shown, 0, 0);
}

const many = n => n.toLocaleString("en");
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

// ---------------------------------------------------------------- what is wanted

/** The falling steps from `start` to 0 that a choice of n of all T steps visits: as dense below `start` as below T. */
function visited(start, n) {
  const steps = Math.max(1, Math.round(n * start / T));
  return Array.from({ length: steps + 1 }, (_, k) => Math.ceil(start * (steps - k) / steps));
}

let x_0 = Float32Array.from(data.image); // the picture to start from, unless from noise

function wanted() {
  const fromPicture = form.start.value === "picture", start = fromPicture ? form.t.valueAsNumber : T;
  return {
    seed: form.seed.valueAsNumber, stream: fromPicture ? "figure 6" : "sample", count: Number(form.count.value),
    times: visited(start, Number(form.steps.value)), fresh: form.fresh.checked, x_0: fromPicture ? x_0 : null,
    wanted: form.provider.value, size, alphaBar,
  };
}

/** The page says what the form means. */
function explain() {
  const { times, fresh, count, wanted: provider } = wanted(), t = form.t.valueAsNumber;
  reveal("picture", form.start.value === "picture");
  put({ t, signal: Math.sqrt(alphaBar[t]).toFixed(3), sigma: Math.sqrt(1 - alphaBar[t]).toFixed(3), steps: times.length - 1, from: times[0] });
  const all = Number(form.steps.value) === T;
  reveal("all", all);
  reveal("some", !all);
  reveal("fresh", fresh);
  reveal("still", !fresh);
  const seconds = measured[provider];
  pace.hidden = !seconds;
  if (seconds) pace.textContent = `At the pace of the last drawing: ${duration(seconds * count * (times.length - 1))}, ${duration(seconds * (times.length - 1))} a picture.`;
}

/** Start from this picture from now on. */
function choose(image, pressed) {
  x_0 = image;
  paint(source, x_0);
  form.start.value = "picture";
  for (const place of places) place.setAttribute("aria-pressed", place === pressed);
  explain();
}

// ---------------------------------------------------------------- drawing

const measured = {}; // seconds a step and picture, by where it is computed
const names = { wasm: "on the processor, one thread", webgpu: "on the GPU" };
let job = null;

function busy(yes) {
  draw.disabled = yes;
  cancel.disabled = !yes;
  another.disabled = yes;
  for (const [i, place] of places.entries()) place.disabled = yes || !images[i];
  if (!yes) job = null;
}

function begin() {
  if (draw.disabled || !form.reportValidity()) return;
  job = { ...wanted(), kind: "draw", done: 0, began: performance.now() };
  bar.max = job.count * (job.times.length - 1);
  bar.value = 0;
  images.fill(null);
  for (const [i, place] of places.entries()) {
    place.hidden = i >= job.count;
    place.setAttribute("aria-pressed", false);
    place.setAttribute("aria-label", `Picture ${i + 1}, being drawn`);
  }
  document.getElementById("pictures").dataset.count = job.count;
  state.textContent = "The noise is being drawn.";
  pace.hidden = true;
  busy(true);
  worker.postMessage(job);
}

const answers = {
  ready({ provider }) {
    state.textContent = "The network is ready.";
    draw.disabled = false;
    document.documentElement.dataset.ready = provider;
  },
  picture({ i, t, image }) {
    paint(places[i].firstElementChild, image);
    if (t === 0) {
      images[i] = image;
      places[i].setAttribute("aria-label", `Picture ${i + 1}: start again from it`);
    }
    if (t === job.times[0]) return;
    if (!job.done++) job.first = performance.now();
    bar.value = job.done;
    // Words only now and then, since some readers hear them.
    const now = performance.now();
    if (now - (job.said ?? 0) < 1000) return;
    job.said = now;
    const left = (now - job.first) / 1000 / (job.done - 1) * (bar.max - job.done);
    state.textContent = `Step ${Math.ceil(job.done / job.count)} of ${job.times.length - 1}, t = ${t}.`
      + (job.done > 1 ? ` About ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} to go.` : "");
  },
  done({ cancelled, seconds }) {
    const { count, times, done, wanted: provider } = job, steps = times.length - 1;
    if (done) measured[provider] = seconds / done;
    state.textContent = cancelled
      ? `Cancelled after ${done} of ${many(count * steps)} evaluations of the network.`
      : `${plural(count, "picture")} in ${plural(steps, "step")}: ${duration(seconds)}, ${duration(seconds / count)} a picture, ${names[provider]}.`;
    busy(false);
    explain();
    pace.hidden = true; // which the line above it has said
  },
  failed({ when, reason }) {
    const onGPU = form.provider.value === "webgpu";
    if (onGPU) { // which some machines only seem to have
      form.provider.value = "wasm";
      document.getElementById("providers").hidden = true;
    }
    state.textContent = `The network cannot be ${when === "load" ? "loaded" : "run"} ${onGPU ? "on the GPU" : "in this browser"}: ${reason}`
      + (onGPU ? ". The processor takes over." : "");
    if (when === "load" && onGPU) load();
    else if (when !== "load") busy(false);
  },
};

const texts = Object.fromEntries([...document.querySelectorAll("script[type='text/plain']")].map(e => [e.id, e.textContent.trim()]));
const worker = new Worker(URL.createObjectURL(new Blob([texts.worker], { type: "text/javascript" })));
worker.addEventListener("message", ({ data: answer }) => answers[answer.kind](answer));
worker.addEventListener("error", event => answers.failed({ when: "load", reason: event.message }));

function load() {
  worker.postMessage({ kind: "load", wanted: form.provider.value, texts });
}

// ---------------------------------------------------------------- all

const other = () => crypto.getRandomValues(new Uint32Array(1))[0];

form.addEventListener("submit", event => { event.preventDefault(); begin(); });
form.addEventListener("input", explain);
cancel.addEventListener("click", () => worker.postMessage({ kind: "cancel" }));
addEventListener("keydown", event => { if (event.key === "Escape" && job) cancel.click(); });
another.addEventListener("click", () => { form.seed.value = other(); begin(); });
document.getElementById("original").addEventListener("click", () => choose(Float32Array.from(data.image)));
for (const [i, place] of places.entries()) place.addEventListener("click", () => choose(images[i], place));

async function start() {
  const note = document.getElementById("note");
  note.textContent = data.note;
  note.hidden = !data.note;
  put({ ...data.about, T, size: `${size}×${size}` });
  const few = [100, 50, 25, 10].filter(n => n < T);
  form.steps.append(...[T, ...few].map(n => new Option(n === T ? `all ${T}` : n, n)));
  form.steps.value = few.includes(25) ? 25 : T;
  form.fresh.checked = true;
  form.seed.value = data.about.seed;
  form.t.max = T;
  form.t.value = Math.ceil(T / 2);
  paint(source, x_0);
  for (const place of places) paint(place.firstElementChild, new Float32Array(pixels));
  const gpu = await navigator.gpu?.requestAdapter().catch(() => null);
  document.getElementById("providers").hidden = !gpu;
  form.provider.value = gpu ? "webgpu" : "wasm";
  explain();
  load();
}
start();
