// SPDX-License-Identifier: Apache-2.0
// Fails where a link between pages of the site, or an image, leads to no file of it. Links to sources that are no pages are counted: they work in the repository only.
import fs from "node:fs";
import path from "node:path";

const root = path.resolve(process.argv[2]);
const pages = fs.readdirSync(root, { recursive: true }).filter((name) => name.endsWith(".html"));
const broken = [];
let sources = 0;
for (const page of pages) {
  const html = fs.readFileSync(path.join(root, page), "utf8");
  for (const [, target] of html.matchAll(/(?:href|src)="([^"]*)"/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file, anchor] = target.split("#");
    const place = file === "" ? path.join(root, page) : path.resolve(root, path.dirname(page), file);
    if (!fs.existsSync(place)) {
      if (/\.(html|png)$/.test(file) && !/(^|\/)bench\//.test(file)) broken.push(`${page}: ${target}`);
      else sources++;
    } else if (anchor && place.endsWith(".html") && !fs.readFileSync(place, "utf8").includes(`id="${decodeURIComponent(anchor)}"`)) {
      broken.push(`${page}: ${target}`);
    }
  }
}
for (const line of broken) console.error("broken:", line);
console.log(`${pages.length} pages, ${broken.length} broken links, ${sources} links to files of the repository`);
process.exit(broken.length > 0 ? 1 : 0);
