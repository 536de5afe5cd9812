// The least that a mutating webhook can do: every review is answered with `allowed: true`. What it costs a pod's
// CREATE is what any webhook costs, and so the measure of ours.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
)

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID string `json:"uid"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

func answer(writer http.ResponseWriter, asked *http.Request) {
	body, err := io.ReadAll(asked.Body)
	var told review
	if err == nil {
		err = json.Unmarshal(body, &told)
	}
	if err != nil || told.Request == nil {
		http.Error(writer, "not an AdmissionReview", http.StatusBadRequest)
		return
	}
	writer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(writer).Encode(review{told.APIVersion, told.Kind, nil, &response{told.Request.UID, true}})
}

// Arguments: the address to listen at, the files of certificate and key.
func main() {
	http.HandleFunc("/mutate", answer)
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], nil))
}
