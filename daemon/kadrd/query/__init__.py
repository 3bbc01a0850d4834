"""The path of a query, in the order of its modules.

answer      the spine: a question in, hits out
asking      what is asked, and whom a query may ask
parse       text as a query: tokens, language (its words), readings (values), dates, refusal (mistakes); expression: the values
filters     the filters of a query as SQL
meaning     operands as one vector; prompts: how words are put to the model
plan        which way to look for the nearest of those that the filters let through
wording     the words of a query as a full-text search
candidates  what may answer; scores and calibrate: what each is worth; fuse: both in one order
rank        files as hits; group: which belong together
dups        files that show the same
keeping     a query as it is saved
stages      how long each step took
"""
