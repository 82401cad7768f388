/** One statement of a batch. */
export interface Statement {
  readonly sql: string
  readonly parameters: ReadonlyArray<string | null | ReadonlyArray<string>>
}
