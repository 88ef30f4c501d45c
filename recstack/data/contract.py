"""What every dataset must look like before anything is computed from it; `check` enforces it.

Interactions:

| column       | type          | rule                                          | if broken             |
|--------------|---------------|-----------------------------------------------|-----------------------|
| user_id      | long          | 0 or more                                     | row rejected          |
| item_id      | long          | 0..2^32-1, as 32-bit roaring bitmaps hold it; | row rejected          |
|              |               | it is in the catalogue                        | row rejected          |
| rating       | float         | a number within the dataset's range           | row rejected          |
| timestamp    | timestamp     | UTC; null only if the dataset has no times;   | row rejected          |
|              |               | none that stands for "unknown" (epoch second  |                       |
|              |               | 0 or -1, a time of 0001-01-01 or 9999-12-31), |                       |
|              |               | none before 1840, none later than a day after |                       |
|              |               | the ingest                                    |                       |
| user, item,  |               | once; the newest is kept, then the highest    | the others are left   |
| second       |               |                                               | out, which is no loss |

To do the same again (play a track again, correct a rating) is a further row, at a time of its own: the past stays as it
was. Without timestamps there is no later, so a user and an item are there once.

Items:

| column       | type          | rule                                          | if broken             |
|--------------|---------------|-----------------------------------------------|-----------------------|
| item_id      | long          | 0..2^32-1                                     | row rejected          |
|              |               | once; the first by title is kept              | as above              |
| title        | string        | not blank                                     | becomes "item <id>"   |
| genres       | array<string> | trimmed, lower case, distinct, sorted         | repaired              |
| year         | int           | above 0, or null                              | becomes null          |
| type         | string        | not blank, or null                            | becomes null          |
| episodes     | int           | above 0, or null                              | becomes null          |
| mean_score   | float         | a number, or null                             | becomes null          |

Rejected rows are counted by reason, with an example of each. A missing file, a missing column, a column of the wrong
type, an unreadable file, a table without any row, or one that loses more than 1 % of its rows (unless `accept_rejected`
says that this is right) is a `DataError`: no result would be trustworthy.
"""

from pyspark.sql.types import (
    ArrayType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from recstack import columns as c

INTERACTIONS = StructType(
    [
        StructField(c.USER_ID, LongType()),
        StructField(c.ITEM_ID, LongType()),
        StructField(c.RATING, FloatType()),
        StructField(c.TIMESTAMP, TimestampType()),
    ]
)

ITEMS = StructType(
    [
        StructField(c.ITEM_ID, LongType()),
        StructField(c.TITLE, StringType()),
        StructField(c.GENRES, ArrayType(StringType())),
        StructField(c.YEAR, IntegerType()),
        StructField(c.TYPE, StringType()),
        StructField(c.EPISODES, IntegerType()),
        StructField(c.MEAN_SCORE, FloatType()),
    ]
)

PAIRS = StructType([StructField(c.USER_ID, LongType()), StructField(c.ITEM_ID, LongType())])

MAX_ITEM_ID = 2**32 - 1
"""Seen items are stored as 32-bit Roaring bitmaps."""
