/** Builds the page: `node build.mjs [folder]` bundles, hashes and compresses it; the same source gives the same bytes. */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, "..", "built"));

/** Where the licences of what is bundled are. */
const BUNDLED = {
  preact: "LICENSE",
  "@preact/signals": "LICENSE",
  "@preact/signals-core": "LICENSE",
  uplot: "LICENSE",
  "@fontsource-variable/geist": "LICENSE",
};

async function bundle() {
  const result = await build({
    absWorkingDir: here,
    entryPoints: { app: "app.tsx", style: "style.css" },
    outdir: path.join(out, "assets"),
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    bundle: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".woff2": "file" },
    minify: true,
    legalComments: "none",
    metafile: true,
  });
  return Object.keys(result.metafile.outputs).map((name) => path.basename(name));
}

async function writeIndex(names) {
  const template = await readFile(path.join(here, "index.html"), "utf8");
  const named = (prefix, suffix) => `assets/${names.find((name) => name.startsWith(prefix) && name.endsWith(suffix))}`;
  const html = template
    .replace("{{script}}", named("app-", ".js"))
    .replace("{{style}}", named("style-", ".css"))
    .replace("{{font}}", named("geist-", ".woff2"));
  await writeFile(path.join(out, "index.html"), html);
}

async function writeNotices() {
  const notices = [];
  for (const [name, file] of Object.entries(BUNDLED)) {
    const folder = path.join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const text = (await readFile(path.join(folder, file), "utf8")).trim().replace(/[ \t]+$/gm, "");
    notices.push(`${name} ${version} (${license})\n\n${text}\n`);
  }
  await writeFile(path.join(out, "NOTICES.txt"), notices.join(`\n${"-".repeat(80)}\n\n`));
}

async function compress(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) await compress(file);
    if (!/\.(html|js|css)$/.test(entry.name)) continue;
    const bytes = await readFile(file);
    await writeFile(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
    await writeFile(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await writeIndex(await bundle());
await writeNotices();
await compress(out);
