// SPDX-License-Identifier: Apache-2.0
// The site of docs/: docs/site/build calls it. Markdown stays the source; here are only its layout and the form of links.
import anchor from "markdown-it-anchor";

/** Anchors as GitHub makes them, which the pages' links name. */
const slug = (text) => text.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replace(/ /g, "-");

/** Links between pages lead to .html; those to files outside docs/ are shown as they are. */
function link(href) {
  if (/^[a-z]+:|^#/.test(href)) return href;
  return href.replace(/(^|\/)README\.md(?=#|$)/, "$1index.md").replace(/\.md(?=#|$)/, ".html");
}

export default function (config) {
  config.amendLibrary("md", (md) => {
    md.use(anchor, { slugify: slug });
    const rule = md.renderer.rules.link_open ?? ((t, i, o, e, self) => self.renderToken(t, i, o));
    md.renderer.rules.link_open = (tokens, i, options, env, self) => {
      tokens[i].attrSet("href", link(tokens[i].attrGet("href")));
      return rule(tokens, i, options, env, self);
    };
  });
  config.addGlobalData("layout", "page.njk");
  config.addGlobalData("eleventyComputed", {
    permalink: (data) => data.page.filePathStem + ".html",
    title: (data) => data.page.rawInput?.match(/^# (.*)$/m)?.[1] ?? data.page.fileSlug,
  });
  config.addPassthroughCopy("**/*.png");
  return {
    markdownTemplateEngine: false, // {} in the pages' prose is no template
    dir: { includes: "_layout" },
  };
}
