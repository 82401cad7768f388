import { Migrations } from "@credit/rpc/Migrations"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { askedBy } from "../commands/askedBy.ts"
import { procedureStream, type Tell } from "../commands/procedureStream.ts"
import type { Settings } from "../config/Settings.ts"
import type { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { type Progress, runMigrations } from "./runMigrations.ts"
import { tellMigrations } from "./tellMigrations.ts"

export const migrationHandlers = Migrations.toLayer(
  Effect.gen(function* () {
    const context = yield* Effect.context<FileSystem.FileSystem | MerchantDirectory | Settings>()
    return Migrations.of({
      "Migration.Run": (payload, { headers }) =>
        Stream.unwrap(
          Effect.map(askedBy(headers), (asked) =>
            procedureStream((tell: Tell<Progress>) => runMigrations(payload, asked, tell))
          )
        ).pipe(Stream.provideContext(context)),
      "Migration.Status": (payload) => tellMigrations(payload).pipe(Effect.provideContext(context))
    })
  })
)
