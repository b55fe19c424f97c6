// Obeys the commands on standard input with a genuine Nacos client, and tells what it sees as JSON lines.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// A line of ours; which fields it has follows from its event.
type line struct {
	Event     string      `json:"event"`
	Command   string      `json:"command,omitempty"`
	Error     string      `json:"error,omitempty"`
	Service   string      `json:"service,omitempty"`
	Group     string      `json:"group,omitempty"`
	AtMs      int64       `json:"at_ms,omitempty"`
	Instances *[]instance `json:"instances,omitempty"`
}

type instance struct {
	IP        string            `json:"ip"`
	Port      uint64            `json:"port"`
	Weight    float64           `json:"weight"`
	Healthy   bool              `json:"healthy"`
	Enabled   bool              `json:"enabled"`
	Ephemeral bool              `json:"ephemeral"`
	Cluster   string            `json:"cluster"`
	Metadata  map[string]string `json:"metadata"`
}

type client struct {
	naming        naming_client.INamingClient
	out           *json.Encoder
	printing      sync.Mutex
	subscriptions map[string]*vo.SubscribeParam
}

func main() {
	naming, err := connect(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c := &client{naming: naming, out: json.NewEncoder(os.Stdout), subscriptions: map[string]*vo.SubscribeParam{}}
	os.Stdout = os.Stderr // whatever a library prints must not mix with the answers
	c.print(line{Event: "ready"})
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() && commands.Text() != "quit" {
		command := commands.Text()
		if err := c.obey(strings.Split(command, " ")); err != nil {
			c.print(line{Event: "failed", Command: command, Error: err.Error()})
		} else {
			c.print(line{Event: "done", Command: command})
		}
	}
	naming.CloseClient()
}

func connect(address, namespace string) (naming_client.INamingClient, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	config := constant.NewClientConfig(
		constant.WithNamespaceId(namespace),
		constant.WithUsername(os.Getenv("NACOS_USERNAME")),
		constant.WithPassword(os.Getenv("NACOS_PASSWORD")),
		constant.WithNotLoadCacheAtStart(true),
		constant.WithUpdateCacheWhenEmpty(true), // by default it keeps what it knew when told that there is nothing
		constant.WithCacheDir("cache"),
		constant.WithLogDir("logs"),
		constant.WithLogLevel("info"),
	)
	servers := []constant.ServerConfig{*constant.NewServerConfig(host, number)}
	return clients.NewNamingClient(vo.NacosClientParam{ClientConfig: config, ServerConfigs: servers})
}

func (c *client) obey(words []string) error {
	service, group := words[1], words[2]
	switch words[0] {
	case "register":
		return c.register(service, group, words[3:])
	case "batch":
		return c.batch(service, group, words[3:])
	case "deregister":
		port, err := strconv.ParseUint(words[4], 10, 16)
		if err != nil {
			return err
		}
		cluster := "DEFAULT"
		if len(words) > 5 {
			cluster = words[5]
		}
		return succeeded(c.naming.DeregisterInstance(vo.DeregisterInstanceParam{
			ServiceName: service, GroupName: group, Ip: words[3], Port: port, Cluster: cluster, Ephemeral: true,
		}))
	case "subscribe":
		told := func(instances []model.Instance, err error) {
			if err == nil {
				c.show("instances", service, group, instances)
			}
		}
		param := &vo.SubscribeParam{ServiceName: service, GroupName: group, SubscribeCallback: told}
		c.subscriptions[service+" "+group] = param
		return c.naming.Subscribe(param)
	case "unsubscribe":
		return c.naming.Unsubscribe(c.subscriptions[service+" "+group])
	case "list":
		instances, err := c.naming.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, GroupName: group})
		if err == nil {
			c.show("list", service, group, instances)
		}
		return err
	}
	return fmt.Errorf("unknown command %s", words[0])
}

func (c *client) register(service, group string, words []string) error {
	port, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil {
		return err
	}
	weight, err := strconv.ParseFloat(words[2], 64)
	if err != nil {
		return err
	}
	metadata := map[string]string{}
	if len(words) > 3 {
		for _, pair := range strings.Split(words[3], ",") {
			key, value, _ := strings.Cut(pair, "=")
			metadata[key] = value
		}
	}
	cluster, ephemeral := metadata["@cluster"], metadata["@ephemeral"] != "false"
	delete(metadata, "@cluster")
	delete(metadata, "@ephemeral")
	return succeeded(c.naming.RegisterInstance(vo.RegisterInstanceParam{
		ServiceName: service, GroupName: group, Ip: words[0], Port: port, Weight: weight, Metadata: metadata,
		ClusterName: cluster, Ephemeral: ephemeral, Enable: true, Healthy: true,
	}))
}

func (c *client) batch(service, group string, words []string) error {
	var instances []vo.RegisterInstanceParam
	for _, word := range words {
		address, weight, _ := strings.Cut(word, "*")
		number, err := strconv.ParseFloat(weight, 64)
		if err != nil {
			return err
		}
		ip, port, _ := strings.Cut(address, ":")
		portNumber, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return err
		}
		instances = append(instances, vo.RegisterInstanceParam{
			Ip: ip, Port: portNumber, Weight: number, Ephemeral: true, Enable: true, Healthy: true,
		})
	}
	return succeeded(c.naming.BatchRegisterInstance(vo.BatchRegisterInstanceParam{
		ServiceName: service, GroupName: group, Instances: instances,
	}))
}

func succeeded(ok bool, err error) error {
	if err == nil && !ok {
		return fmt.Errorf("the client says false")
	}
	return err
}

func (c *client) show(event, service, group string, known []model.Instance) {
	instances := []instance{}
	for _, it := range known {
		instances = append(instances, instance{
			IP: it.Ip, Port: it.Port, Weight: it.Weight, Healthy: it.Healthy, Enabled: it.Enable,
			Ephemeral: it.Ephemeral, Cluster: it.ClusterName, Metadata: it.Metadata,
		})
	}
	c.print(line{
		Event: event, Service: service, Group: group, AtMs: time.Now().UnixMilli(), Instances: &instances,
	})
}

func (c *client) print(told line) {
	c.printing.Lock()
	defer c.printing.Unlock()
	if err := c.out.Encode(told); err != nil {
		os.Exit(1) // nobody listens any more
	}
}
