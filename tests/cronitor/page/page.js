// The stand-in's page: reads /_control, follows its stream, and draws again when something came in.
// All text from outside goes in by textContent, never as HTML.

import { edit } from "./edit.js"

const ROWS = 100
const HISTORY = 16
const byId = (id) => document.getElementById(id)

function element(tag, classes = "", ...children) {
  const made = document.createElement(tag)
  made.className = classes
  made.append(...children.filter((child) => child !== null && child !== ""))
  return made
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB")
const short = (text) => (text.length > 14 ? `${text.slice(0, 8)}…` : text)
const when = (event) => event.stamp ?? event.arrived
const broken = (run) => run.events.some((event) => event.violations.length)
const beganAt = (run) => when(run.events.find((event) => event.state === "run") ?? run.events[0])
const endedAt = (run) => Math.max(...run.events.map(when))

function span(seconds) {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`
  if (seconds < 100) return `${Math.round(seconds)} s`
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
  return `${(seconds / 3600).toFixed(1)} h`
}

function kind(run) {
  const last = run.events.findLast((event) => event.state)?.state
  return { run: "running", complete: "complete", fail: "fail" }[last] ?? "idle"
}

// What is sent without a state is a message only.
const word = (event) => event.state || "message"

function drawTotals(runs, violations) {
  const count = (wanted) => runs.filter((run) => kind(run) === wanted).length
  const rows = [
    ["runs", "", runs.length],
    ["running", "running", count("running")],
    ["complete", "complete", count("complete")],
    ["failed", "fail", count("fail")],
    ["violations", "violation", violations.length],
  ]
  byId("totals").replaceChildren(
    ...rows.map(([label, style, number]) =>
      element("div", "", element("dt", "", label), element("dd", number ? style : "zero", String(number))),
    ),
  )
}

function lastHeard(run) {
  if (!run) return "nothing heard yet"
  const event = run.events.at(-1)
  const took = run.duration !== null && event.state !== "run" ? ` after ${span(run.duration)}` : ""
  const code = event.status_code ? ` with exit code ${event.status_code}` : ""
  return `${word(event)}${code}${took}, ${clock(when(event))}`
}

function editButton(monitor) {
  const button = element("button", "", monitor.initialized || monitor.name !== monitor.key ? monitor.name : short(monitor.key))
  button.type = "button"
  button.dataset.key = monitor.key
  button.setAttribute("aria-label", `Edit ${monitor.name}`)
  button.addEventListener("click", () => edit(monitor))
  return button
}

function drawMonitor(monitor, runs) {
  const last = runs.at(-1)
  const env = last?.env
  const title = element(
    "div",
    "title",
    element("span", `dot ${last ? kind(last) : "idle"}`),
    editButton(monitor),
    env ? element("span", "env", env) : "",
  )
  title.title = monitor.key
  const schedule = monitor.schedule
    ? element("span", "", element("code", "", monitor.schedule), monitor.timezone ? ` ${monitor.timezone}` : "")
    : "no schedule known"
  const about = element("div", "about", schedule, monitor.paused ? " · paused" : "", " · key ", element("code", "", short(monitor.key)))
  const bars = runs.slice(-HISTORY).map((run) => element("i", broken(run) ? "violation" : kind(run)))
  const blanks = Array.from({ length: HISTORY - bars.length }, () => element("i", "blank"))
  return element("div", monitor.paused ? "monitor paused" : "monitor", title, about, element("div", "about", lastHeard(last)), element("div", "history", ...blanks, ...bars))
}

function lane(label, ...marks) {
  return element("div", "lane", element("span", "", label), element("div", "track", ...marks))
}

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]

function drawChart(runs, now) {
  const shown = runs.filter((run) => endedAt(run) > now - 900 || kind(run) === "running").slice(-300)
  if (!shown.length) return [element("div", "empty", "No runs in the last 15 minutes")]
  const from = Math.max(Math.min(...shown.map(beganAt)), now - 900) - 2
  const width = Math.max(now - from, 20)
  const at = (time) => `${(100 * Math.max(0, time - from)) / width}%`
  const lanes = new Map()
  for (const run of shown) {
    const label = run.name || short(run.monitor)
    const end = kind(run) === "running" ? now : endedAt(run)
    const bar = element("i", `${kind(run)} ${broken(run) ? "wrong" : ""}`)
    bar.style.left = at(beganAt(run))
    bar.style.width = `${(100 * Math.max(0, end - Math.max(beganAt(run), from))) / width}%`
    bar.title = `${run.series}\n${run.message}`
    lanes.set(label, [...(lanes.get(label) ?? []), bar])
  }
  const step = STEPS.find((one) => width / one <= 7) ?? 7200
  const ticks = []
  for (let time = Math.ceil(from / step) * step; time <= now; time += step) {
    const tick = element("b", "", step < 60 ? clock(time) : clock(time).slice(0, 5))
    tick.style.left = at(time)
    ticks.push(tick)
  }
  const axis = lane("", ...ticks)
  axis.classList.add("axis")
  return [...[...lanes].map(([label, bars]) => lane(label, ...bars)), axis]
}

function drawState(event) {
  const style = { run: "running", complete: "complete", fail: "fail" }[event.state] ?? "idle"
  const chip = element("span", `state ${style}`, word(event), element("time", "", clock(when(event))))
  if (event.violations.length) chip.classList.add("wrong")
  return chip
}

function drawRun(run) {
  const row = element("div", broken(run) ? "run wrong" : "run")
  const states = run.events.flatMap((event, index) => [index ? element("span", "arrow", "→") : "", drawState(event)])
  const name = run.name || short(run.monitor)
  const who = element("div", "who", element("span", `dot ${kind(run)}`), element("b", "", name), element("code", "", short(run.series)), run.env ? element("span", "env", run.env) : "")
  who.title = `monitor ${run.monitor}\nseries ${run.series}`
  const code = run.status_code
  const facts = element(
    "div",
    "facts",
    code !== null ? element("span", `exit ${code ? "fail" : "complete"}`, `exit ${code}`) : "",
    run.duration !== null ? element("span", "", span(run.duration)) : "",
    run.host ? element("span", "", run.host) : "",
  )
  row.append(who, element("div", "states", ...states), element("div", "message", run.message), facts)
  const wrongs = run.events.flatMap((event) => event.violations)
  if (wrongs.length) row.append(element("ul", "", ...wrongs.map((text) => element("li", "", text))))
  return row
}

async function read(what) {
  const answer = await fetch(`/_control/${what}`)
  if (!answer.ok) throw new Error(`${what}: ${answer.status}`)
  return (await answer.json())[what]
}

function drawMonitors(monitors, runs) {
  const wanted = byId("find").value.trim().toLowerCase()
  const found = monitors.filter(({ name, key, tags }) => [name, key, ...tags].some((text) => text.toLowerCase().includes(wanted)))
  const runsOf = new Map(monitors.map((monitor) => [monitor.key, []]))
  for (const run of runs) runsOf.get(run.monitor)?.push(run)
  const focused = document.activeElement?.dataset.key
  const rest = found.length - ROWS
  byId("monitor-count").textContent = wanted ? `${found.length} of ${monitors.length}` : monitors.length
  byId("monitors").replaceChildren(
    ...found.slice(0, ROWS).map((monitor) => drawMonitor(monitor, runsOf.get(monitor.key))),
    rest > 0 ? element("div", "empty", `${rest} more`) : "",
  )
  if (focused !== undefined) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}

async function draw() {
  const [runs, monitors, violations] = await Promise.all(["runs", "monitors", "violations"].map(read))
  const now = Date.now() / 1000
  drawTotals(runs, violations)
  drawMonitors(monitors, runs)
  byId("chart").replaceChildren(...drawChart(runs, now))
  const newest = runs.toSorted((one, other) => other.events.at(-1).arrived - one.events.at(-1).arrived).slice(0, ROWS)
  byId("runs").replaceChildren(
    ...(newest.length ? newest.map(drawRun) : [element("div", "empty", "Waiting for the first telemetry")]),
  )
  document.documentElement.dataset.drawn = String(runs.length)
}

let drawing = false
let again = false

// One drawing at a time, and a short rest after it: a burst of requests is drawn a few times, not once each.
async function refresh() {
  if (drawing) {
    again = true
    return
  }
  drawing = true
  try {
    await draw()
  } catch (error) {
    console.warn(error)
  }
  setTimeout(() => {
    drawing = false
    if (again) {
      again = false
      refresh()
    }
  }, 250)
}

function connected(yes) {
  byId("live").textContent = yes ? `live · ${location.host}` : "not connected"
  byId("live").classList.toggle("on", yes)
}

function follow() {
  const stream = new EventSource("/_control/stream")
  stream.onopen = () => {
    connected(true)
    refresh()
  }
  stream.onerror = () => connected(false)
  stream.addEventListener("request", refresh)
  stream.addEventListener("reset", refresh)
  stream.addEventListener("edit", refresh)
  setInterval(refresh, 5000)
}

byId("find").addEventListener("input", refresh)

// `?still` draws once: a picture can be taken when nothing is being loaded any more.
if (new URLSearchParams(location.search).has("still")) {
  draw().then(() => connected(true))
} else {
  refresh()
  follow()
}
