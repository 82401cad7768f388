-- What reads need beyond the keys that the writes have anyway.

-- GetOperationMetrics: the operations opened within some days. Rows are written in about the order of opening, so the first
-- and last opening of each few pages find them, and that costs writers next to nothing: a summary that is widened now and
-- then. Ids will not do: those of one process are in the order of the latest of all its merchants' clocks.
CREATE INDEX operations_by_opening ON public.operations USING brin (opened_at)
WITH (pages_per_range = 32, autosummarize = on);
