package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/musterhq/muster/examples/rank/bodyfat"
)

// readPerson reads the body of POST /people. An error is a *bodyfat.FieldError
// where one field is to blame, or an *http.MaxBytesError.
func readPerson(from io.Reader) (string, bodyfat.Body, error) {
	var request struct {
		Name string `json:"name"`
		bodyfat.Body
	}
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return "", bodyfat.Body{}, explain(err)
	}
	switch err := decoder.Decode(new(any)); {
	case err == nil:
		return "", bodyfat.Body{}, errors.New("the body has more than one JSON object")
	case !errors.Is(err, io.EOF):
		return "", bodyfat.Body{}, explain(err)
	}
	return request.Name, request.Body, nil
}

// explain turns the decoder's errors into ones for the reader.
func explain(err error) error {
	var wrongType *json.UnmarshalTypeError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, io.EOF):
		return errors.New("the body is empty; send a JSON object")
	case errors.As(err, &wrongType):
		field := wrongType.Field[strings.LastIndexByte(wrongType.Field, '.')+1:]
		if field == "" {
			return errors.New("the body is not a JSON object")
		}
		return &bodyfat.FieldError{Field: field,
			Message: fmt.Sprintf("want %s, got a JSON %s", inWords(wrongType.Type.Kind().String()), wrongType.Value)}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &bodyfat.FieldError{Field: strings.Trim(name, `"`), Message: "no such field"}
	}
	return fmt.Errorf("the body is not valid JSON: %w", err)
}

func inWords(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	default:
		return "a text in quotes"
	}
}
