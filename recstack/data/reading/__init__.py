"""Files of people as they are, without Spark: bytes, text, records, cells, columns.

Reading order: `streams` opens a file by its contents; `decoding` makes UTF-8 of it; `blocks` cuts it where a record
ends; `unquoted`, `quoted` and `lenient` divide records into cells; `text_files`, `json_lines` and `parquet_files` yield
`Rows`; `tables` chooses among the three. Then `numbers`, `ids` and `times` make typed columns of cells, and `log`,
`items` and `users` the tables of the contract; `staging` writes them for Spark.
"""
