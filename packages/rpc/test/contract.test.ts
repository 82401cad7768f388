import { commandPayloads } from "@credit/domain/Command"
import type { Answers, RefusalEncoded } from "@credit/domain/decide"
import { DecidedBy, Kind, RequiredRole } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import type { RpcErrorEncoded, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Context from "effect/Context"
import { describe, expect, expectTypeOf, it } from "vitest"

const rpcs = [...Api.requests.values()]

describe("The contract", () => {
  it("says of every RPC who may call it and whether it writes", () => {
    for (const rpc of rpcs) {
      expect(Context.getOrUndefined(rpc.annotations, RequiredRole), rpc._tag).toBeDefined()
      expect(Context.getOrUndefined(rpc.annotations, Kind), rpc._tag).toBeDefined()
    }
  })

  it("has as its commands just those that the rules decide", () => {
    const commands = rpcs.filter(
      (rpc) =>
        Context.getOrUndefined(rpc.annotations, Kind) === "command" &&
        Context.get(rpc.annotations, DecidedBy) === "engine"
    )
    expect(commands.map((rpc) => rpc._tag).toSorted()).toEqual(Object.keys(commandPayloads).toSorted())
  })

  it("takes each command's payload as the rules know it", () => {
    for (const [type, payload] of Object.entries(commandPayloads)) {
      const rpc = rpcs.find(({ _tag }) => _tag === type)
      expect(rpc?.payloadSchema, type).toBe(payload)
    }
  })

  it("answers as the rules do, with meta", () => {
    type Meta = { readonly meta: { readonly transactionId: string; readonly replayed: boolean } }
    type Decided = { readonly [T in keyof Answers]: Answers[T] & Meta }
    type Told = { readonly [T in keyof Answers]: RpcSuccessEncoded<typeof Api, T> }
    // Held by the compiler: what the engine stores and sends is what the contract promises.
    expectTypeOf<Decided>().toExtend<Told>()
    expectTypeOf<RefusalEncoded>().toExtend<RpcErrorEncoded<typeof Api, keyof Answers>>()
  })
})
