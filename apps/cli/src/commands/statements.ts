import type { Api } from "@credit/rpc/Api"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { present } from "../flags/Checked.ts"
import type { Period } from "../flags/Period.ts"
import { Service } from "../Service.ts"
import { allPages } from "./pages.ts"

type Page = RpcSuccessEncoded<typeof Api, "GetStatement">

/** A statement with all its movements. */
export type Statement = Omit<Page, "nextCursor">

/** Movements on one page. */
const PAGE = 500

/** A user's statement, page by page until it is whole. */
export const wholeStatement = Effect.fnUntraced(function* (userId: string, { from, to }: Period) {
  const service = yield* Service
  const pages = yield* allPages((cursor) =>
    service.query((client, options) =>
      client.getStatement({ userId, from, to, limit: PAGE, ...present({ cursor }) }, options)
    )
  )
  const { nextCursor: _, ...first } = pages[0]
  const whole: Statement = {
    ...first,
    entries: pages.flatMap(({ entries }) => entries),
    due: pages.flatMap(({ due }) => due)
  }
  return whole
})

/** The balance after each movement of a statement, by the instant at which it became true. */
export const balances = ({
  due,
  entries,
  from,
  opening
}: Statement): ReadonlyArray<{
  readonly at: string
  readonly balance: number
}> => {
  const points = [{ at: from, balance: opening }]
  let balance = opening
  const moves = [
    ...entries.map(({ amount, effectiveAt }) => ({ amount, at: effectiveAt })),
    ...due.map(({ amount, effectiveAt }) => ({ amount, at: effectiveAt }))
  ].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
  for (const { amount, at } of moves) {
    balance += amount
    points.push({ at, balance })
  }
  return points
}
