// SPDX-License-Identifier: Apache-2.0
// Human evaluation: one trial after the other, by mouse or keyboard. The page knows no right answers.
import { address, fault, fill, get, h, heat, note, post, say, term } from "./parts.js";

const REFERENCES = 9;
const TASKS = {
  naming: ["Naming", "What do these images have in common? Say whether there is one idea, name it, and mark the images that show it."],
  "2afc": ["Two queries", "The left nine images have something that the right nine do not have. Which of the two below has it?"],
  intruder: ["Intruder", "Four images have something in common. Which is the fifth, that does not?"],
  verification: ["Verification", "Mark the images that fit the name. About half of them do."],
};
const CONFIDENCE = ["guess", "rather sure", "sure"];

export async function label(main, params) {
  const plan = await get("api/labels");
  if (!plan.trials) {
    fill(main, h("h1", {}, "Label"),
      h("p", {}, "People say here whether a feature is what its name says. No plan is open: make one with ", h("code", {}, "clipsteer labels plan --run RUN --images SRC --out DIR"), " and start ", h("code", {}, "clipsteer explore … --plan DIR"), "."));
    return;
  }
  const annotator = params.get("as");
  if (annotator) await trial(main, plan, annotator);
  else begin(main, plan);
}

/** Who answers, and what that means. */
function begin(main, plan) {
  const where = h("p", { role: "status" });
  const name = h("input", { name: "as", required: true, maxLength: 40, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*", autocomplete: "off", "aria-describedby": "consent" });
  const start = (event) => {
    event.preventDefault();
    location.hash = address("label", { as: name.value.trim() });
  };
  /** The pseudonym of the first of two clicks. */
  let sure = null;
  const remove = async () => {
    const own = name.value.trim();
    if (!own) return fill(where, "Type the pseudonym first.");
    if (sure !== own) {
      sure = own;
      return fill(where, `Click again to delete the answers of ${own} for good.`);
    }
    try {
      const { deleted } = await post("api/labels/delete", { annotator: own });
      fill(where, deleted ? "The answers of this pseudonym are deleted." : "This pseudonym has no answers.");
    } catch (e) {
      fill(where, e.message);
    }
  };
  fill(main, h("h1", {}, "Label"),
    h("p", {}, `${plan.trials} trials, about ${Math.round(plan.minutes)} minutes. You can stop at any time and go on later under the same pseudonym.`),
    h("ul", {}, plan.tasks.map((task) => h("li", {}, h("b", {}, TASKS[task][0]), ": " + TASKS[task][1]))),
    h("p", { id: "consent" }, "Stored are your answers, the seconds that you took, and whether you switched heat maps on, under a pseudonym that you choose; no name, no address." + (plan.practices ? ` The first ${plan.practices} trials are practice and show the right answer.` : "")),
    h("form", { class: "controls", onsubmit: start }, h("label", {}, "Pseudonym ", name), h("button", {}, "Start or go on"), h("button", { type: "button", onclick: remove }, "Delete my answers")),
    where);
}

async function trial(main, plan, annotator, feedback = null) {
  note("label", { as: annotator });
  let next;
  try {
    next = await post("api/labels/next", { annotator });
  } catch (e) {
    fill(main, h("h1", {}, "Label"), fault(e), h("p", {}, h("a", { href: address("label", {}) }, "Back")));
    return;
  }
  const now = next.trial;
  if (!now) {
    fill(main, h("h1", {}, "Done"), feedback, h("p", { role: "status" }, `All ${next.answered} trials are done. Thank you.`, plan.tasks.includes("verification") ? " Names that nobody else has given were skipped." : ""), h("p", {}, h("a", { href: address("label", {}) }, "Another annotator")));
    return;
  }
  const said = { choice: null, confidence: null, ideas: null, idea: null, picked: now.task === "verification" || now.task === "naming" ? [] : null };
  let heats = 0;
  const shown = performance.now();
  const where = h("p", { role: "status" });
  const submit = h("button", { type: "submit", class: "submit" }, "Answer");
  const images = now.images.map((one, k) => tile(one, k, plan));
  const buttons = [];

  /** What an answer lacks, as a sentence; empty where it lacks nothing. */
  const missing = () => {
    if (now.task === "naming") return !said.ideas ? "Say first whether there is one idea." : said.ideas === "one" && !said.idea ? "Name the idea first." : "";
    if (now.task === "verification") return "";
    return said.choice === null ? "Choose one first." : now.task === "2afc" && !said.confidence ? "Say first how sure you are." : "";
  };
  const ready = () => {
    submit.disabled = missing() !== "";
    fill(where, "");
  };
  const choose = (k, options) => {
    said.choice = k;
    options.forEach((one, i) => one.setAttribute("aria-pressed", i === k));
    ready();
  };
  const pick = (k, node) => {
    const at = said.picked.indexOf(k);
    if (at < 0) said.picked.push(k);
    else said.picked.splice(at, 1);
    node.setAttribute("aria-pressed", at < 0);
  };
  /** Buttons by key. */
  const keys = new Map();
  /** One of a few, as a row of buttons, each with a key. */
  const choice = (name, values, letters, use) => {
    const all = values.map(([value, text]) => h("button", { type: "button", "aria-pressed": "false", onclick: () => { all.forEach((b) => b.setAttribute("aria-pressed", b.dataset.value === String(value))); use(value); ready(); } }, text));
    all.forEach((b, k) => {
      b.dataset.value = String(values[k][0]);
      b.setAttribute("aria-keyshortcuts", letters[k]);
      b.append(" ", h("kbd", { "aria-hidden": "true" }, letters[k]));
      keys.set(letters[k], b);
    });
    return h("p", { class: "controls", role: "group", "aria-label": name }, h("span", {}, name), all);
  };
  const confidence = choice("How sure are you?", CONFIDENCE.map((text, k) => [k + 1, text]), ["g", "r", "s"], (v) => (said.confidence = v));

  let body;
  if (now.task === "2afc") {
    const options = images.slice(2 * REFERENCES).map((image, k) => h("button", { type: "button", class: "option", "aria-pressed": "false", "aria-label": `Query ${k + 1}`, onclick: () => choose(k, options) }, image, h("span", {}, `${k + 1}`)));
    buttons.push(...options);
    body = [
      h("div", { class: "pair references" }, [["These have it", 0], ["These do not", REFERENCES]].map(([name, from]) => h("section", { class: "card", "aria-label": name }, h("h2", {}, name), h("div", { class: "nine" }, images.slice(from, from + REFERENCES))))),
      h("div", { class: "options", role: "group", "aria-label": "Which has it?" }, options), confidence];
  } else if (now.task === "intruder") {
    const options = images.map((image, k) => h("button", { type: "button", class: "option", "aria-pressed": "false", "aria-label": `Image ${k + 1}`, onclick: () => choose(k, options) }, image, h("span", {}, `${k + 1}`)));
    buttons.push(...options);
    body = [h("div", { class: "options", role: "group", "aria-label": "Which does not belong?" }, options), confidence];
  } else {
    const options = images.map((image, k) => h("button", { type: "button", class: "option", "aria-pressed": "false", "aria-label": `Image ${k + 1}`, onclick: (event) => pick(k, event.currentTarget) }, image));
    buttons.push(...options);
    const grid = h("div", { class: "options plain", role: "group", "aria-label": "Images that fit" }, options);
    const idea = h("input", { maxLength: 100, autocomplete: "off", "aria-label": "Name of the idea", oninput: (event) => { said.idea = event.target.value.trim() || null; ready(); } });
    const toggle = h("button", { type: "button", "aria-pressed": "false", onclick: () => { const on = grid.classList.toggle("plain"); if (!on) heats++; toggle.setAttribute("aria-pressed", !on); } }, "Heat maps");
    body = now.task === "naming"
      ? [h("p", { class: "controls" }, now.images.some((one) => one.heat) ? toggle : null), grid,
        choice("Ideas:", [["one", "One idea"], ["several", "Several ideas"], ["none", "Nothing in common"]], ["o", "v", "n"], (v) => (said.ideas = v)),
        h("p", { class: "controls" }, h("label", {}, "Name ", idea)), confidence]
      : [h("p", { class: "name" }, "Name: ", h("b", {}, now.name)), grid, confidence];
  }

  const send = async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    try {
      const answer = await post("api/labels/answers", { annotator, position: now.position, said, milliseconds: Math.round(performance.now() - shown), heat_maps: heats });
      await trial(main, plan, annotator, practised(now, said, answer));
    } catch (e) {
      fill(where, e.message);
      ready();
    }
  };
  fill(main, h("h1", {}, TASKS[now.task][0], " ", h("small", {}, now.practice ? "practice" : `${now.position + 1} of ${now.total}`)),
    feedback, h("p", {}, TASKS[now.task][1]),
    h("progress", { max: now.total, value: now.position, "aria-label": "Answered trials" }),
    h("form", { class: "trial", onsubmit: send }, body, h("p", { class: "controls" }, submit, where)),
    h("p", { class: "muted" }, `Keys: ${buttons.length > 9 ? "1 to 9, and 0 for the tenth," : `1 to ${buttons.length}`} choose or mark; ← and → move between images, Space marks one; letters are on the buttons; Enter answers. `, term("evaluation_tasks", "What is asked, and why?"), " ", h("a", { href: address("label", {}) }, "Stop here")));
  main.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!main.contains(submit)) return;
    if (event.key === "Enter" && !event.target.matches("a, summary") && event.target !== submit) {
      // Enter presses a choice that is not made yet, and never takes one back: Space does.
      const marks = now.task === "naming" || now.task === "verification";
      const open = event.target.getAttribute("aria-pressed") === "false" && !(marks && event.target.matches(".option"));
      if (open) return;
      event.preventDefault();
      if (missing()) fill(where, missing());
      else submit.click();
      return;
    }
    if (event.target.matches("input, textarea")) return;
    const at = buttons.indexOf(document.activeElement);
    if (/^[0-9]$/.test(event.key)) buttons[event.key === "0" ? 9 : event.key - 1]?.click();
    else if (keys.has(event.key.toLowerCase())) keys.get(event.key.toLowerCase()).click();
    else if (event.key === "ArrowRight") buttons[Math.min(at + 1, buttons.length - 1)].focus();
    else if (event.key === "ArrowLeft") buttons[Math.max(at - 1, 0)].focus();
  };
  ready();
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  say(`${TASKS[now.task][0]}, trial ${now.position + 1} of ${now.total}`);
}

function tile(one, k, plan) {
  return h("span", { class: "picture" }, h("img", { src: "api/labels/images/" + one.image, alt: `Image ${k + 1}` }), one.heat ? heat(one.heat, plan.patch_columns) : null);
}

/** What was right, after practice. */
function practised(now, said, answer) {
  if (!answer.right) return null;
  if (now.task === "naming") return h("p", { class: "note", role: "status" }, "Practice: a name has no right or wrong. The trials that follow ask the same way.");
  const own = said.choice === null ? said.picked : [said.choice];
  const right = answer.right.length === own.length && answer.right.every((k) => own.includes(k));
  return h("p", { class: "note", role: "status" }, right ? "Practice: right." : `Practice: right would have been ${answer.right.map((k) => k + 1).join(", ")}.`);
}
