"""The path of a query, in the order of its modules.

answer    the spine: text or picture in, hits out
parse     what the user typed, as a Query
rank      the best pictures as files, ties broken, cut to the limit
"""
