// A person's edits of one monitor, as they would be made in Cronitor itself. Only what was changed is sent.

const dialog = document.getElementById("editor")
const form = dialog.querySelector("form")
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean)

// How an attribute stands in its field, and what is made of the field's text.
const FIELDS = {
  name: [(name) => name, (text) => text],
  grace_seconds: [String, Number],
  notify: [(lists) => lists.join("\n"), lines],
  tags: [(tags) => tags.join("\n"), lines],
  note: [(note) => note ?? "", (text) => text || null],
}

let key = ""
let before = {}

function contents() {
  const texts = Object.keys(FIELDS).map((name) => [name, form.elements[name].value])
  return { ...Object.fromEntries(texts), paused: form.elements.paused.checked }
}

export function edit(monitor) {
  key = monitor.key
  for (const [name, [shown]] of Object.entries(FIELDS)) form.elements[name].value = shown(monitor[name])
  form.elements.paused.checked = monitor.paused
  before = contents()
  document.getElementById("editor-key").textContent = key
  say("")
  dialog.showModal()
}

function say(problem) {
  document.getElementById("editor-problem").textContent = problem
}

function changes() {
  const now = Object.entries(contents()).filter(([name, value]) => value !== before[name])
  return Object.fromEntries(now.map(([name, value]) => [name, name in FIELDS ? FIELDS[name][1](value) : value]))
}

async function send(method, body) {
  try {
    const headers = { "Content-Type": "application/json" }
    const answer = await fetch(`/_control/monitors/${encodeURIComponent(key)}`, { method, headers, body })
    if (!answer.ok) throw new Error((await answer.json()).error)
    dialog.close()
  } catch (error) {
    say(error.message)
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault()
  send("PATCH", JSON.stringify(changes()))
})
document.getElementById("editor-cancel").addEventListener("click", () => dialog.close())
document.getElementById("editor-delete").addEventListener("click", () => {
  if (confirm(`Delete monitor ${key}?`)) send("DELETE")
})

// The list may have been drawn anew behind the dialog, and with it the button that opened it.
dialog.addEventListener("close", () => document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus())
