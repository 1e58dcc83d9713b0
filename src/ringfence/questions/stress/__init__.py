"""What moved prices, funding or pegs do to a book. `surface` says what is asked and answered.

`shocks` are what is moved. A book is opened by `book`: a small one is judged account by account (`reference`), a large
one in compiled columns (`columns`, over `rows`), into which `scan`, `load`, `cells` and `fill` read a table without a
look at single accounts; `merge` is a book of both. `tables`, `chart`, `measures` and `report` show the answer.
"""
