// The bench's client of the API server, in Go so that it is not what limits a figure, nor late to take a time.
//
//	load create < PLAN   makes objects, block after block, and prints how long each took
//	load watch PATH < PLAN   prints each event of a watch behind its time of arrival, until it is ended
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type plan struct {
	Server      string  `json:"server"`
	CA          string  `json:"ca"`
	Certificate string  `json:"certificate"`
	Key         string  `json:"key"`
	Clients     int     `json:"clients"`
	Blocks      []block `json:"blocks"`
}

// One after another. In `body`, %NUMBER%, %OWNER% and %OWNER_UID% are replaced; the owners take turns.
type block struct {
	Name   string      `json:"name"`
	Path   string      `json:"path"`
	Body   string      `json:"body"`
	First  int         `json:"first"`
	Count  int         `json:"count"`
	Owners [][2]string `json:"owners"`
}

type result struct {
	Name        string  `json:"name"`
	Seconds     float64 `json:"seconds"`
	Nanoseconds []int64 `json:"nanoseconds"` // of each that was made
	Failed      int     `json:"failed"`
	Error       string  `json:"error"` // the first one
}

func main() {
	var given plan
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 3 && os.Args[1] == "watch" {
		watch(given, os.Args[2])
		return
	}
	clients := make([]*http.Client, given.Clients)
	for i := range clients {
		clients[i] = client(given)
		if status, text := send(clients[i], "GET", given.Server+"/readyz", ""); status != http.StatusOK {
			log.Fatalf("the API server is not ready: %d %s", status, text)
		}
	}
	results := make([]result, 0, len(given.Blocks))
	for _, one := range given.Blocks {
		results = append(results, create(clients, given.Server, one))
	}
	_ = json.NewEncoder(os.Stdout).Encode(results)
}

// A connection of its own for each client, as if each were a process.
func client(given plan) *http.Client {
	pem, err := os.ReadFile(given.CA)
	if err != nil {
		log.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(given.Certificate, given.Key)
	if err != nil {
		log.Fatal(err)
	}
	settings := &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{pair}}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}
}

func create(clients []*http.Client, server string, wanted block) result {
	var next atomic.Int64
	var lock sync.Mutex
	var all sync.WaitGroup
	found := result{Name: wanted.Name, Nanoseconds: make([]int64, 0, wanted.Count)}
	started := time.Now()
	for _, one := range clients {
		all.Go(func() {
			for {
				number := int(next.Add(1)) - 1
				if number >= wanted.Count {
					return
				}
				body := written(wanted, number)
				began := time.Now()
				status, text := send(one, "POST", server+wanted.Path, body)
				took := time.Since(began).Nanoseconds()
				lock.Lock()
				if status == http.StatusCreated {
					found.Nanoseconds = append(found.Nanoseconds, took)
				} else {
					found.Failed++
					if found.Error == "" {
						found.Error = fmt.Sprintf("%d %s", status, text)
					}
				}
				lock.Unlock()
			}
		})
	}
	all.Wait()
	found.Seconds = time.Since(started).Seconds()
	return found
}

func written(wanted block, number int) string {
	replaced := []string{"%NUMBER%", fmt.Sprint(wanted.First + number)}
	if len(wanted.Owners) > 0 {
		owner := wanted.Owners[number%len(wanted.Owners)]
		replaced = append(replaced, "%OWNER%", owner[0], "%OWNER_UID%", owner[1])
	}
	return strings.NewReplacer(replaced...).Replace(wanted.Body)
}

func send(by *http.Client, method, url, body string) (int, string) {
	asked, err := http.NewRequest(method, url, bytes.NewBufferString(body))
	if err != nil {
		return 0, err.Error()
	}
	asked.Header.Set("Content-Type", "application/json")
	answered, err := by.Do(asked)
	if err != nil {
		return 0, err.Error()
	}
	defer answered.Body.Close()
	if answered.StatusCode < 300 {
		_, err = io.Copy(io.Discard, answered.Body)
		if err != nil {
			return 0, err.Error()
		}
		return answered.StatusCode, ""
	}
	text, _ := io.ReadAll(io.LimitReader(answered.Body, 500))
	return answered.StatusCode, string(text)
}

// Each line: Unix nanoseconds, a blank, the event as the API server wrote it.
func watch(given plan, path string) {
	answered, err := client(given).Get(given.Server + path)
	if err != nil {
		log.Fatal(err)
	}
	if answered.StatusCode != http.StatusOK {
		log.Fatalf("the watch was answered with %s", answered.Status)
	}
	out := bufio.NewWriter(os.Stdout)
	lines := bufio.NewReaderSize(answered.Body, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		arrived := time.Now().UnixNano()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(out, "%d %s", arrived, line)
		if lines.Buffered() == 0 {
			if out.Flush() != nil {
				return
			}
		}
	}
}
