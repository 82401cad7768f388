import { type LoadRow, middle, type Results } from "./Results.ts"
import type { LoadScenario } from "./Scenario.ts"
import { titleOf } from "./Scenario.ts"

const WIDTH = 860
const LEFT = 250
const RIGHT = 90
const BAR = 16
const STEP = 22
const PANEL_GAP = 44
const TOP = 56

/** Bars that share a scale. */
interface Panel {
  readonly title: string
  readonly rows: ReadonlyArray<LoadRow>
}

const panelsOf = ({ loads }: Results): ReadonlyArray<Panel> => {
  const those = (choose: (scenario: LoadScenario) => boolean) => loads.filter(({ scenario }) => choose(scenario))
  const pairs = (kind: LoadScenario["kind"]) => kind === "pairs" || kind === "floor"
  return [
    {
      title: "Pairs of Open and RecordAndClose per second",
      rows: those(({ group, kind }) => pairs(kind) && group !== "growth")
    },
    { title: "Queries and purchases per second", rows: those(({ group, kind }) => !pairs(kind) && group !== "growth") },
    {
      title: "As the ledger grows: pairs per second",
      rows: those(({ group, kind }) => group === "growth" && pairs(kind))
    },
    {
      title: "As the ledger grows: queries per second",
      rows: those(({ group, kind }) => group === "growth" && !pairs(kind))
    }
  ].filter(({ rows }) => rows.length > 0)
}

/** A picture of the paces: bars are medians over the rounds, lines across them reach from the slowest to the fastest. */
export const renderChart = (results: Results): string => {
  const panels = panelsOf(results)
  let top = TOP
  const drawn = panels.map((panel) => {
    const at = top
    top += panel.rows.length * STEP + PANEL_GAP
    return drawPanel(panel, at)
  })
  const { cores, cpu, node, postgres } = results.machine
  const height = top
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="12">`,
    "<title>How much of each scenario gets done per second</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(16, 24, `${cores} cores (${cpu}) for server, PostgreSQL ${postgres} and load together, Node ${node}`, {
      size: 12,
      color: "#444444"
    }),
    ...drawn,
    "</svg>",
    ""
  ].join("\n")
}

const drawPanel = ({ rows, title }: Panel, top: number): string => {
  const most = Math.max(...rows.flatMap(({ rounds }) => rounds.map((it) => it.perSecond)))
  const x = (value: number) => LEFT + (value / most) * (WIDTH - LEFT - RIGHT)
  return [
    text(16, top, title, { size: 14, weight: 600 }),
    ...rows.map((row, index) => drawRow(row, top + 10 + index * STEP, x))
  ].join("\n")
}

const drawRow = (row: LoadRow, top: number, x: (value: number) => number): string => {
  const paces = row.rounds.map((it) => it.perSecond)
  const [slowest, fastest] = [Math.min(...paces), Math.max(...paces)]
  const pace = middle(row, (it) => it.perSecond)
  const centre = top + BAR / 2
  return [
    text(LEFT - 8, centre + 4, titleOf(row.scenario), { anchor: "end" }),
    `<rect x="${LEFT}" y="${top}" width="${(x(pace) - LEFT).toFixed(1)}" height="${BAR}" fill="${colorOf(row.scenario)}"/>`,
    `<path d="M${x(slowest).toFixed(1)} ${centre}H${x(fastest).toFixed(1)}M${x(slowest).toFixed(1)} ${centre - 4}v8M${x(fastest).toFixed(1)} ${centre - 4}v8" stroke="#222222" stroke-width="1" fill="none"/>`,
    text(x(fastest) + 8, centre + 4, Math.round(pace).toLocaleString("en"), { color: "#222222" })
  ].join("\n")
}

/** What the service is measured against stands apart. */
const colorOf = ({ kind }: LoadScenario) => (kind === "floor" || kind === "echo" ? "#b8b8b8" : "#4c78a8")

const text = (
  x: number,
  y: number,
  content: string,
  style: { readonly size?: number; readonly weight?: number; readonly anchor?: "end"; readonly color?: string } = {}
): string => {
  const { anchor = "start", color = "#111111", size = 12, weight = 400 } = style
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  return `<text x="${x.toFixed(1)}" y="${y}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${color}">${safe}</text>`
}
