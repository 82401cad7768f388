import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"

/** All pages of a list, one after the other. */
export const allPages = Effect.fnUntraced(function* <Page extends { readonly nextCursor?: string | undefined }, E, R>(
  page: (cursor: string | undefined) => Effect.Effect<Page, E, R>
) {
  const pages: Arr.NonEmptyArray<Page> = [yield* page(undefined)]
  let cursor = pages[0].nextCursor
  while (cursor !== undefined) {
    const next: Page = yield* page(cursor)
    pages.push(next)
    cursor = next.nextCursor
  }
  return pages
})
