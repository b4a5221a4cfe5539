"""What the MySQL source and destination share; both serve MariaDB, too."""

from __future__ import annotations
