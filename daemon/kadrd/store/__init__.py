"""What is remembered. catalogue.sqlite is the truth; everything under shards/ is derived from it and disposable.

catalogue  the writer: one transaction a batch          tree     the writer's folders and files, for the scanner
reader     read-only questions, from any thread         schema   migrations, and how the file is opened
shards     the index over all segments                  segment  rows searched exactly
shard      one sealed hnswlib graph                     sealer   builds one, in a process of its own
generation which shards count: the manifest             durable  how a file is replaced whole
"""
