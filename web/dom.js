const svgNamespace = 'http://www.w3.org/2000/svg'

/** An HTML element with attributes and children; a child may be a text. */
export function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), attributes, children)
}

export function byId(id) {
  return document.getElementById(id)
}

/** Writes only what has changed: a selection in the page stays. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.filter((child) => child !== undefined))
  return element
}
