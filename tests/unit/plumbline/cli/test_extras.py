import pytest

from plumbline.cli.extras import extra_needed
from plumbline.errors import ExtraMissing


def test_failed_import_names_the_extra_to_install() -> None:
    with (
        pytest.raises(ExtraMissing, match=r"^Parquet needs plumbline-scoring\[parquet\], .*\.$"),
        extra_needed("Parquet", "parquet"),
    ):
        import a_module_that_is_not_installed  # noqa: F401
