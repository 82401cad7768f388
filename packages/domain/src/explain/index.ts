export { type CommandFacts, commandLines } from "./Command.ts"
export { type EntryFacts, entryLines, touchedLots } from "./Entries.ts"
export { lotLines } from "./Lot.ts"
export { operationCost, operationLines } from "./Operation.ts"
