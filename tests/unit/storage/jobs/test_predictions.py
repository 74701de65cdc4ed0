from __future__ import annotations

import json
import uuid

from storage.jobs import predictions
from storage.jobs.predictions import NewPrediction, to_document
from tests.predictions import new_prediction


def test_document_has_every_field_of_every_prediction() -> None:
    first = new_prediction(id=uuid.UUID(int=1), ranked=[{"label": "ham", "probability": 0.75}])
    second = new_prediction(id=uuid.UUID(int=2), features={"chars": 4.0})
    documents = json.loads(to_document([first, second]))
    assert [document["id"] for document in documents] == [str(first.id), str(second.id)]
    for document, prediction in zip(documents, (first, second), strict=True):
        assert document.keys() == set(NewPrediction.__slots__)
        assert NewPrediction(**document | {"id": prediction.id}) == prediction


def test_document_without_predictions_is_an_empty_array() -> None:
    assert json.loads(to_document([])) == []


def test_the_columns_of_the_document_are_those_of_the_prediction() -> None:
    names = [column.split()[0] for column in predictions.DOCUMENT_COLUMNS.split(", ")]
    assert names == list(NewPrediction.__slots__)
    assert predictions.COLUMNS.split(", ") == names[2:], "all but id and fence are stored"
