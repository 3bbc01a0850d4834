"""kadr where people already are: file managers, GNOME Shell, KRunner.

verb is the entry. hooks says what is put where, installing puts it there; bus answers the shells over D-Bus, asking the
daemon through answers; showing opens what was found as a folder. Nothing here is loaded by a search in a terminal.
"""
