import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { type FileProduct, readCatalog, wantedPrices } from "../catalog/CatalogFile.ts"
import { type Change, difference } from "../catalog/difference.ts"
import { present } from "../flags/Checked.ts"
import { confirm, destructiveFlags } from "../flags/Write.ts"
import { type Block, done, stack, text } from "../output/Block.ts"
import { Output } from "../output/Output.ts"
import { table } from "../output/Table.ts"
import { count } from "../output/Words.ts"
import { FaultFound, UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { allPages } from "./pages.ts"
import { tell } from "./shared.ts"

const LIMIT = 500

/** All products and all versions of all rates, page by page. */
const presentCatalog = Effect.gen(function* () {
  const service = yield* Service
  const products = yield* allPages((cursor) =>
    service.query((client, options) => client.product.list({ limit: LIMIT, ...present({ cursor }) }, options))
  )
  const rates = yield* allPages((cursor) =>
    service.query((client, options) => client.operationType.list({ limit: LIMIT, ...present({ cursor }) }, options))
  )
  return {
    products: products.flatMap((page) => page.products),
    rates: rates.flatMap((page) => page.operationTypes)
  }
})

const changesTable = (changes: ReadonlyArray<Change>): Block =>
  table(
    [
      { title: "", value: ({ action }) => MARKS[action] },
      { title: "what", value: ({ what }) => what },
      { title: "code", value: ({ code }) => code },
      { title: "change", value: ({ action }) => action },
      { title: "", value: ({ detail }) => detail, shrink: true }
    ],
    changes,
    "The file is empty"
  )

const MARKS = { create: "+", set: "+", archive: "-", conflict: "!", extra: "?", same: "=" } as const

const payloadOf = (product: FileProduct) => ({
  productCode: product.code,
  title: product.title,
  credits: product.credits,
  accessPeriodDays: product.period,
  ...(product.grant === undefined
    ? { distribution: "sellable" as const, priceRows: wantedPrices(product) }
    : { distribution: "grant" as const, grantPolicy: product.grant })
})

/** Makes one change; with `dryRun` the service says whether it could be made. */
const make = Effect.fnUntraced(function* (change: Change, dryRun: boolean) {
  const service = yield* Service
  const write = { dryRun, idempotencyKey: undefined }
  switch (change.action) {
    case "create":
      return yield* service.command(write, (client, options) =>
        client.product.create(payloadOf(change.product), options)
      )
    case "archive":
      return yield* service.command(write, (client, options) =>
        client.product.archive({ productCode: change.code }, options)
      )
    case "set": {
      const { rate, title, type, unit } = change.rate
      return yield* service.command(write, (client, options) =>
        client.operationType.create(
          { operationTypeCode: type, resourceUnit: unit, creditsPerUnit: rate, ...present({ title }) },
          options
        )
      )
    }
    default:
      return undefined
  }
})

/** What the service can judge each by itself: a new welcome that takes the place of one to be archived it cannot. */
const checkable = (due: ReadonlyArray<Change>): ReadonlyArray<Change> =>
  due.some(({ action }) => action === "archive")
    ? due.filter((change) => change.action !== "create" || change.product.grant !== "apply_on_signup")
    : due

const apply = Command.make(
  "apply",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The catalog as it shall be: TOML, or JSON")),
    prune: Flag.Boolean("prune").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Archive products that are not in the file")
    ),
    yes: destructiveFlags.yes,
    dryRun: destructiveFlags.dryRun
  },
  Effect.fn("cli.catalog.apply")(function* ({ dryRun, file, prune, yes }) {
    const wanted = yield* Effect.tryPromise({ try: () => readCatalog(file), catch: (error) => error }).pipe(
      Effect.catch((error) => (error instanceof UsageProblem ? Effect.fail(error) : Effect.die(error)))
    )
    const changes = difference(wanted, yield* presentCatalog, prune)
    const due = changes.filter(({ action }) => action === "create" || action === "set" || action === "archive")
    const conflicts = changes.filter(({ action }) => action === "conflict")
    const output = yield* Output
    const summary = due.length === 0 ? "Nothing to change" : count(due.length, "change")
    if (conflicts.length > 0 || due.length === 0 || dryRun) {
      if (conflicts.length === 0)
        yield* Effect.forEach(checkable(due), (change) => make(change, true), { discard: true })
      yield* tell(
        { changes, applied: 0, dryRun },
        stack(changesTable(changes), text(dryRun ? `${summary}; nothing was stored` : summary))
      )
      if (conflicts.length > 0) {
        return yield* new FaultFound({
          message: `${count(conflicts.length, "conflict")} between the file and the service; nothing was changed`,
          hint: "products are never edited: give what is changed another code"
        })
      }
      return
    }
    if (!yes && !output.json)
      yield* output.note(changesTable(changes)({ width: Number.POSITIVE_INFINITY, paint: output.paint }))
    yield* confirm({ dryRun, yes }, `Make ${count(due.length, "change")}?`)
    let applied = 0
    yield* Effect.forEach(
      due,
      (change) =>
        Effect.gen(function* () {
          yield* output.progress(`${change.action} ${change.what} ${change.code}`)
          yield* make(change, false)
          applied += 1
        }),
      { discard: true }
    ).pipe(
      Effect.onError(() =>
        output.note(`${applied} of ${count(due.length, "change")} made; the same command goes on where it ended`)
      )
    )
    yield* tell({ changes, applied, dryRun }, stack(changesTable(changes), done(`${count(applied, "change")} made`)))
  })
).pipe(
  Command.withDescription(
    "Make products and rates what a file says: it shows the difference, asks, and makes it. Again, it finds nothing to do. Products are never edited, so that a changed one is a conflict: it takes another code"
  ),
  Command.withShortDescription("Make products and rates what a file says"),
  Command.withExamples([
    {
      command: "credit-cli catalog apply catalog.toml --dry-run",
      description: "What would change, checked by the service"
    },
    { command: "credit-cli catalog apply catalog.toml --yes", description: "From a script" }
  ])
)

export const catalog = Command.make("catalog").pipe(
  Command.withDescription("Products and rates, as a file"),
  Command.withSubcommands([apply])
)
