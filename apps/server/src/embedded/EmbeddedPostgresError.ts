import * as Schema from "effect/Schema"

/** There are no PostgreSQL binaries that this machine can run. Only another database server helps. */
export class BinariesUnavailable extends Schema.TaggedError<BinariesUnavailable>()("BinariesUnavailable", {
  /** Operating system and processor, as in `linux-x64`. */
  platform: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `No embedded PostgreSQL on ${this.platform}: ${this.problem}. Set MERCHANT_<ID>_DATABASE_URL to a PostgreSQL server of your own.`
  }
}

/** The home directory, or the place it names for the data, cannot be used as it is. */
export class HomeUnusable extends Schema.TaggedError<HomeUnusable>()("HomeUnusable", {
  home: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The embedded PostgreSQL cannot use its home ${this.home}: ${this.problem}.`
  }
}

/** PostgreSQL was tried and did not come up, or did not answer as the server of this home. */
export class ServerUnusable extends Schema.TaggedError<ServerUnusable>()("ServerUnusable", {
  dataDirectory: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The embedded PostgreSQL with its data in ${this.dataDirectory} is not usable: ${this.problem}.`
  }
}

export type EmbeddedPostgresError = BinariesUnavailable | HomeUnusable | ServerUnusable
