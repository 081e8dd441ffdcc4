"use strict";

/** An answer's Markdown as elements, read by marked, made harmless by DOMPurify. Raw HTML and images are text. */
const Markdown = (() => {
  const escape = (text) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
  const HARMLESS = {
    ALLOWED_TAGS: [
      ..."a b blockquote br code del em h3 h4 h5 h6 hr i input li ol p pre".split(" "),
      ..."s span strong sub sup table tbody td th thead tr ul".split(" "),
    ],
    ALLOWED_ATTR: ["href", "title", "start", "align", "type", "checked", "disabled"],
    ADD_URI_SAFE_ATTR: ["start", "align", "type"], // the next line is for addresses
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    RETURN_DOM_FRAGMENT: true,
  };

  marked.use({
    renderer: {
      html: ({ text }) => escape(text),
      image: ({ raw }) => escape(raw),
      heading({ tokens, depth }) {
        const level = Math.min(6, depth + 2); // h1 is the page's, h2 are the turns'
        return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
      },
    },
  });

  /** A fragment for one text. Links open elsewhere and tell nobody whence; what can scroll can be reached by keys. */
  function render(text) {
    const fragment = DOMPurify.sanitize(marked.parse(text), HARMLESS);
    for (const link of fragment.querySelectorAll("a")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer";
    }
    for (const block of fragment.querySelectorAll("pre")) block.tabIndex = 0;
    for (const table of fragment.querySelectorAll("table")) {
      const frame = element("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Table" });
      table.replaceWith(frame);
      frame.append(table);
    }
    for (const box of fragment.querySelectorAll("input")) box.setAttribute("aria-label", "Item of a list");
    return fragment;
  }

  return { render };
})();
