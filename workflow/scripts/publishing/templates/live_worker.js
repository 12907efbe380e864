"use strict";
// The network and Algorithm 2, in a thread of their own, so that the page stays responsive. Messages in: `load`, `draw` and
// `cancel`; out: `ready`, `picture` (image i at step t), `done` and `failed`.

// ---------------------------------------------------------------- the noise of Python's runs
// The same numbers, to rounding, as engine/randomness.py and diffusion/sampling.py give for an address
// (seed, stream, index): numpy's SeedSequence makes a seed of it, and PyTorch's generator and Box-Muller formula the Gaussians.

function crc32(text) {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** The low 32 bits of numpy's SeedSequence(words).generate_state(1, uint64); PyTorch's generator takes no more. */
function seedSequence(words) {
  let hash = 0x43b0d7e5;
  const scramble = value => {
    value ^= hash;
    hash = Math.imul(hash, 0x931e8875);
    value = Math.imul(value, hash);
    return value ^ (value >>> 16);
  };
  const mix = (x, y) => {
    const value = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
    return value ^ ((value >>> 0) >>> 16);
  };
  const pool = [0, 1, 2, 3].map(i => scramble(words[i] ?? 0));
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], scramble(pool[from]));
  for (const word of words.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], scramble(word));
  const first = 0x8b51f9dd, value = Math.imul(pool[0] ^ first, Math.imul(first, 0x58f38ded));
  return (value ^ (value >>> 16)) >>> 0;
}

/** The Mersenne twister MT19937 of Matsumoto and Nishimura: whole numbers of 32 bits, without an end. */
function* twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  for (;;) {
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    for (let y of state) {
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      yield (y ^ (y >>> 18)) >>> 0;
    }
  }
}

/** Standard Gaussians, a multiple of 16: of each 16 uniform numbers, those 8 apart make a pair by Box and Muller. */
function gaussians(bits, count) {
  const z = new Float32Array(count);
  for (let i = 0; i < count; i++) z[i] = (bits.next().value & 0xffffff) / 2 ** 24;
  for (let i = 0; i < count; i++) {
    if (i % 16 >= 8) continue;
    const radius = Math.sqrt(-2 * Math.log(1 - z[i])), angle = 2 * Math.PI * z[i + 8];
    z[i] = radius * Math.cos(angle);
    z[i + 8] = radius * Math.sin(angle);
  }
  return z;
}

/** Of the noise of a sample, x_T (entry 0) and the z of each step, the entries `wanted`: a Map from entry to Gaussians. */
function noise(seed, stream, index, pixels, wanted) {
  const bits = twister(seedSequence([seed, crc32(stream), index])), kept = new Map(), last = Math.max(...wanted);
  for (let entry = 0; entry <= last; entry++) {
    const z = gaussians(bits, pixels);
    if (wanted.includes(entry)) kept.set(entry, z);
  }
  return kept;
}

// ---------------------------------------------------------------- a step

/**
 * The factors of x_t, eps_theta and z in x_s, for a step from t down to s.
 *
 * With fresh noise it is (19) with alpha_bar_t / alpha_bar_s in place of alpha_t and alpha_bar_s in place of
 * alpha_bar_{t-1}: the forward process seen at some of its steps only is again a chain (2). Without, it is DDIM
 * (arXiv:2010.02502, equation (12) with sigma_t = 0): x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s) eps_theta, with the
 * x_0 that (8) gives for x_t and eps_theta.
 */
function factors(t, s, alphaBar, fresh) {
  const bar = alphaBar[t], before = alphaBar[s], alpha = bar / before;
  if (!fresh) return [1 / Math.sqrt(alpha), Math.sqrt(1 - before) - Math.sqrt((1 - bar) / alpha), 0];
  const scale = 1 / Math.sqrt(alpha);
  return [scale, -scale * (1 - alpha) / Math.sqrt(1 - bar), Math.sqrt((1 - alpha) * (1 - before) / (1 - bar))];
}

/** x = a x + b y + c z, number by number; z may be missing where c is 0. */
function combine(x, y, z, [a, b, c]) {
  for (let i = 0; i < x.length; i++) x[i] = a * x[i] + b * y[i] + (c ? c * z[i] : 0);
}

// ---------------------------------------------------------------- the network

/** What a base64 text holds, a gzip file, unpacked. */
async function unpacked(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers in bfloat16, all high bytes before all low ones, as the bytes of float32. */
function widened(planes) {
  const n = planes.length / 2, bits = new Uint32Array(n);
  for (let i = 0; i < n; i++) bits[i] = (planes[i] << 24) | (planes[n + i] << 16);
  return new Uint8Array(bits.buffer);
}

let parts, graph, weights, ort, session, provider, cancelled;

async function load({ texts, wanted }) {
  parts = texts;
  graph = await unpacked(parts.network);
  weights = widened(await unpacked(parts.tensors));
  await begin(wanted);
}

/** Starts the network on the processor (`wasm`) or on the GPU (`webgpu`), if it does not run there already. */
async function begin(wanted) {
  if (wanted === provider) return;
  await session?.release();
  session = provider = undefined;
  const module = new Blob([await unpacked(parts[`${wanted}-module`])], { type: "text/javascript" });
  ort = await import(URL.createObjectURL(module));
  ort.env.wasm.numThreads = 1; // more need a server that isolates the page
  ort.env.wasm.wasmBinary = await unpacked(parts[`${wanted}-engine`]); // a page from a file may not fetch it
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(graph, {
    executionProviders: [wanted], externalData: [{ path: "weights", data: weights }], logSeverityLevel: 3,
  });
  provider = wanted;
}

/** eps_theta(x_t, t) of n images, which stand in x one after the other. */
async function predict(x, t, n, size) {
  const inputs = {
    x: new ort.Tensor("float32", x, [n, 1, size, size]), t: new ort.Tensor("float32", [t], [1]),
  };
  return (await session.run(inputs)).eps.data;
}

// ---------------------------------------------------------------- Algorithm 2

const breathe = () => new Promise(resolve => setTimeout(resolve)); // lets a `cancel` in

/**
 * Draws `count` images at the falling `times`, of which the last is 0: from noise of their own, or all from one image x_0,
 * which the leap (8) carries to times[0].
 *
 * The processor takes one image after the other, so that each can be seen at once; the GPU takes all together.
 */
async function draw({ seed, stream, count, times, fresh, x_0, size, alphaBar, wanted }) {
  const pixels = size * size, x = new Float32Array(count * pixels), z = [];
  const leap = [Math.sqrt(alphaBar[times[0]]), Math.sqrt(1 - alphaBar[times[0]]), 0];
  cancelled = false;
  for (let i = 0; i < count; i++) {
    z.push(noise(seed, stream, i, pixels, [0, ...(fresh ? times.filter(t => t > 1) : [])]));
    x.set(x_0 ?? z[i].get(0), i * pixels);
    if (x_0) combine(x.subarray(i * pixels, (i + 1) * pixels), z[0].get(0), null, leap);
    postMessage({ kind: "picture", i, t: times[0], image: x.slice(i * pixels, (i + 1) * pixels) });
    await breathe();
  }
  await begin(wanted);
  const together = provider === "webgpu" ? count : 1, started = performance.now();
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, s] = [times[k], times[k + 1]], f = factors(t, s, alphaBar, fresh);
    for (let first = 0; first < count; first += together) {
      await breathe();
      if (cancelled) return postMessage({ kind: "done", cancelled, seconds: (performance.now() - started) / 1000 });
      const part = x.subarray(first * pixels, (first + together) * pixels);
      const eps = await predict(part.slice(), t, together, size);
      for (let j = 0; j < together; j++) {
        const i = first + j, image = x.subarray(i * pixels, (i + 1) * pixels);
        combine(image, eps.subarray(j * pixels, (j + 1) * pixels), z[i].get(t), f);
        postMessage({ kind: "picture", i, t: s, image: image.slice() });
      }
    }
  }
  postMessage({ kind: "done", cancelled, seconds: (performance.now() - started) / 1000 });
}

addEventListener("message", async ({ data }) => {
  try {
    if (data.kind === "load") {
      await load(data);
      postMessage({ kind: "ready", provider });
    } else if (data.kind === "draw") await draw(data);
    else cancelled = true;
  } catch (error) {
    postMessage({ kind: "failed", when: data.kind, reason: String(error?.message ?? error) });
  }
});
